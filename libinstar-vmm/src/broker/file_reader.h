// Whether a user could read a file himself: asked where root reads on behalf of an image's owner.
//
// Root may read everything, so an image that names a file would read it for whoever made the image.
// The kernel can only be asked about the process's own rights, and a jailed process cannot change
// them. So the rules of POSIX are followed here: owner, group and others, and the access list where
// there is one (acl(5)).
//
// What is not known counts as a refusal. A user's groups come from /etc/passwd and /etc/group; a
// directory may know more (LDAP). So where others may read and a group may not, nobody may: the
// user may be in that group, and then the kernel refuses him. For example:
//
//   mode 0644  everybody may read
//   mode 0640  the owner may, and who is in the group for certain
//   mode 0604  the owner may
//
// Tests: tests/unit/libinstar-vmm/broker/file_reader_test.cc.
#ifndef LIBINSTAR_VMM_SRC_BROKER_FILE_READER_H_
#define LIBINSTAR_VMM_SRC_BROKER_FILE_READER_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace instar::vmm {

struct FileReader {
  uid_t user = 0;
  std::vector<gid_t> groups;  // that the user is in for certain
  bool operator==(const FileReader&) const = default;
};

enum class FileRight : unsigned { kRead = 4, kSearch = 1 };

// One entry of a POSIX access list.
struct AccessEntry {
  enum class Tag : std::uint16_t {
    kOwner = 0x01,
    kUser = 0x02,
    kOwningGroup = 0x04,
    kGroup = 0x08,
    kMask = 0x10,
    kOthers = 0x20,
  };
  Tag tag = Tag::kOthers;
  unsigned rights = 0;   // bits as of FileRight
  std::uint32_t id = 0;  // of kUser and kGroup
  bool operator==(const AccessEntry&) const = default;
};
using AccessList = std::vector<AccessEntry>;

// The extended attribute system.posix_acl_access (linux/posix_acl_xattr.h). Nothing if it is
// malformed or of another version.
[[nodiscard]] std::optional<AccessList> DecodeAccessList(std::span<const std::byte> attribute);

// What the open file (not O_PATH) has: an empty list if it has none. The error is errno, EBADMSG
// for a list that cannot be decoded.
[[nodiscard]] std::expected<AccessList, int> ReadAccessList(int fd);

// Whether `reader` has the right to the file. `list` is empty where only the mode counts.
[[nodiscard]] bool HasRight(const FileReader& reader, FileRight right, const struct stat& file,
                            const AccessList& list = {});

// The groups of `user` by the texts of /etc/passwd and /etc/group.
[[nodiscard]] std::vector<gid_t> GroupsOf(uid_t user, std::string_view passwd,
                                          std::string_view group);

// `user` with the groups that this machine's own files say.
[[nodiscard]] FileReader ReaderOf(uid_t user);

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_BROKER_FILE_READER_H_
