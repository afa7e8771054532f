#include "broker/created_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/device_table.h"
#include "broker/local_path.h"
#include "instar/wire.h"

namespace instar::vmm {
namespace {

enum Tag : std::uint32_t { kPath = 1, kDevice = 2, kInode = 3 };

}  // namespace

void RemoveCreatedFile(const CreatedFile& file) {
  const std::string directory(DirectoryPart(file.path));
  const std::string name = file.path.substr(directory.size());
  const OwnedFd opened(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (opened.valid()) RemoveIfSame(opened.get(), name.c_str(), file.device, file.inode);
}

void RemoveIfSame(int directory, const char* name, std::uint64_t device, std::uint64_t inode) {
  struct stat status{};
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_dev == device &&
      status.st_ino == inode) {
    unlinkat(directory, name, 0);
  }
}

std::vector<std::byte> EncodeCreatedFiles(const std::vector<CreatedFile>& files) {
  WireWriter writer;
  for (const CreatedFile& file : files) {
    writer.Text(kPath, file.path);
    writer.Unsigned(kDevice, file.device);
    writer.Unsigned(kInode, file.inode);
  }
  return {writer.bytes().begin(), writer.bytes().end()};
}

std::optional<std::vector<CreatedFile>> DecodeCreatedFiles(std::span<const std::byte> bytes) {
  std::vector<CreatedFile> files;
  WireReader reader(bytes);
  while (const auto path = reader.Next()) {
    const auto device = reader.Next();
    const auto inode = reader.Next();
    if (!device || !inode || path->tag != kPath || device->tag != kDevice || inode->tag != kInode ||
        !device->AsUnsigned() || !inode->AsUnsigned()) {
      return std::nullopt;
    }
    files.push_back({.path = std::string(path->AsText()),
                     .device = *device->AsUnsigned(),
                     .inode = *inode->AsUnsigned()});
  }
  if (!reader.ok()) return std::nullopt;
  return files;
}

}  // namespace instar::vmm
