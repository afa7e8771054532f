#include "broker/special_file_system.h"

#include <sys/vfs.h>

#include <algorithm>
#include <array>

namespace instar::vmm {
namespace {

// By number, as linux/magic.h of this system may be older than the running kernel; some are only in
// the source of the file system. In order.
constexpr std::array<std::uint32_t, 49> kSpecial = {
    0x00000187,  // autofs
    0x00001cd1,  // devpts
    0x00009fa0,  // proc
    0x00009fa1,  // openprom
    0x00009fa2,  // usbfs
    0x0027e0eb,  // cgroup
    0x00687970,  // hypfs, of s390
    0x00726a77,  // qib and ipath
    0x00726f4d,  // ibmasmfs
    0x07655821,  // resctrl
    0x09041934,  // anonymous inodes: eventfd, epoll, KVM
    0x0a647361,  // functionfs
    0x0bad1dea,  // futexfs
    0x11307854,  // MTD inodes
    0x19800202,  // mqueue
    0x23c9b64e,  // spufs
    0x2bad1dea,  // inotifyfs
    0x42494e4d,  // binfmt_misc
    0x43415d53,  // smackfs
    0x444d4142,  // dma-buf
    0x454d444d,  // /dev/mem
    0x474d454d,  // guest_memfd
    0x50494446,  // pidfs
    0x50495045,  // pipefs
    0x5345434d,  // secretmem
    0x534f434b,  // sockfs
    0x5a3c69f0,  // apparmorfs
    0x6165676c,  // pstore
    0x62646576,  // bdev
    0x62656570,  // configfs
    0x62656572,  // sysfs
    0x63677270,  // cgroup2
    0x64626720,  // debugfs
    0x64646178,  // DAX devices
    0x65735543,  // fusectl
    0x67596969,  // rpc_pipefs
    0x6c6f6f70,  // binderfs
    0x6e667364,  // nfsd
    0x6e736673,  // nsfs
    0x6f70726f,  // oprofilefs
    0x73636673,  // securityfs
    0x74726163,  // tracefs
    0x76a9f425,  // dlmfs
    0x958458f6,  // hugetlbfs: memory of running programs
    0xabba1974,  // xenfs
    0xaee71ee7,  // gadgetfs
    0xcafe4a11,  // bpf
    0xde5e81e4,  // efivarfs
    0xf97cff8c,  // selinuxfs
};

}  // namespace

bool IsSpecialMagic(std::uint64_t magic) {
  // The field is signed, and has 32 bits that mean something.
  const auto number = static_cast<std::uint32_t>(magic);
  return std::ranges::binary_search(kSpecial, number);
}

bool IsInSpecialFileSystem(int fd) {
  struct statfs status{};
  return fstatfs(fd, &status) != 0 || IsSpecialMagic(static_cast<std::uint64_t>(status.f_type));
}

}  // namespace instar::vmm
