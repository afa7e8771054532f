#include "broker/special_file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <unistd.h>

#include "broker/device_table.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

TEST(SpecialFileSystem, WindowsIntoTheKernelAreSpecial) {
  for (const unsigned long magic : {
           static_cast<unsigned long>(PROC_SUPER_MAGIC),
           static_cast<unsigned long>(SYSFS_MAGIC),
           static_cast<unsigned long>(CGROUP_SUPER_MAGIC),
           static_cast<unsigned long>(CGROUP2_SUPER_MAGIC),
           static_cast<unsigned long>(DEBUGFS_MAGIC),
           static_cast<unsigned long>(TRACEFS_MAGIC),
           static_cast<unsigned long>(SECURITYFS_MAGIC),
           static_cast<unsigned long>(SELINUX_MAGIC),
           static_cast<unsigned long>(SMACK_MAGIC),
           static_cast<unsigned long>(DEVPTS_SUPER_MAGIC),
           static_cast<unsigned long>(BPF_FS_MAGIC),
           static_cast<unsigned long>(PSTOREFS_MAGIC),
           static_cast<unsigned long>(EFIVARFS_MAGIC),
           static_cast<unsigned long>(NSFS_MAGIC),
           static_cast<unsigned long>(BINFMTFS_MAGIC),
           static_cast<unsigned long>(HUGETLBFS_MAGIC),
           static_cast<unsigned long>(RDTGROUP_SUPER_MAGIC),
           0x62656570ul,  // configfs
           0x65735543ul,  // fusectl
           0x19800202ul,  // mqueue
       }) {
    EXPECT_TRUE(IsSpecialMagic(magic)) << std::hex << magic;
  }
}

TEST(SpecialFileSystem, AMagicNumberWithItsUpperBitSetMayComeSigned) {
  const auto as_signed = static_cast<std::int64_t>(static_cast<std::int32_t>(BPF_FS_MAGIC));
  EXPECT_TRUE(IsSpecialMagic(static_cast<std::uint64_t>(as_signed)));
}

TEST(SpecialFileSystem, WhatStoresFilesIsOrdinary) {
  for (const unsigned long magic : {
           static_cast<unsigned long>(EXT4_SUPER_MAGIC),
           static_cast<unsigned long>(XFS_SUPER_MAGIC),
           static_cast<unsigned long>(BTRFS_SUPER_MAGIC), static_cast<unsigned long>(TMPFS_MAGIC),
           static_cast<unsigned long>(RAMFS_MAGIC),
           static_cast<unsigned long>(OVERLAYFS_SUPER_MAGIC),
           static_cast<unsigned long>(FUSE_SUPER_MAGIC),
           static_cast<unsigned long>(NFS_SUPER_MAGIC),
           static_cast<unsigned long>(CEPH_SUPER_MAGIC),
           static_cast<unsigned long>(CIFS_SUPER_MAGIC), static_cast<unsigned long>(V9FS_MAGIC),
           static_cast<unsigned long>(SQUASHFS_MAGIC),
           static_cast<unsigned long>(MSDOS_SUPER_MAGIC),
           0x2fc12fc1ul,  // ZFS
       }) {
    EXPECT_FALSE(IsSpecialMagic(magic)) << std::hex << magic;
  }
}

TEST(SpecialFileSystem, AnOpenFileIsLookedAt) {
  const TemporaryDirectory directory;
  const OwnedFd file(open(directory.Write("file", "").c_str(), O_PATH | O_CLOEXEC));
  EXPECT_FALSE(IsInSpecialFileSystem(file.get()));
  const OwnedFd process(open("/proc/self/status", O_PATH | O_CLOEXEC));
  EXPECT_TRUE(IsInSpecialFileSystem(process.get()));
}

TEST(SpecialFileSystem, WhatCannotBeLookedAtCountsAsSpecial) {
  EXPECT_TRUE(IsInSpecialFileSystem(-1));
}

}  // namespace
}  // namespace instar::vmm
