#include "broker/stream_opening.h"

#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "broker/local_path.h"
#include "formats/base/option_list.h"
#include "io/input_stream.h"
#include "io/io_file.h"
#include "io/zero_scan.h"
#include "report/error_reason.h"
#include "report/printable_text.h"

namespace instar::vmm {
namespace {

constexpr std::string_view kStandard = "-";

// The descriptor of this process that `name` stands for; `standard` for "-".
std::optional<int> DescriptorOf(std::string_view name, int standard) {
  if (name == kStandard) return standard;
  if (name == "/dev/stdin") return STDIN_FILENO;
  if (name == "/dev/stdout") return STDOUT_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!name.starts_with(folder)) continue;
    const auto number = ParseOptionNumber(name.substr(folder.size()));
    if (number && *number <= INT_MAX) return static_cast<int>(*number);
  }
  return std::nullopt;
}

bool IsStream(const std::string& name, int standard) {
  if (name == kStandard) return true;
  const auto path = LocalPath(name);
  struct stat status{};
  if (!path.ok() || stat(path->c_str(), &status) != 0) return false;
  if (S_ISFIFO(status.st_mode)) return true;
  return DescriptorOf(*path, standard) && (S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode));
}

// How messages call it.
std::string ShownName(const std::string& name, int standard) {
  const auto descriptor = DescriptorOf(name, standard);
  if (descriptor == STDIN_FILENO) return "standard input";
  if (descriptor == STDOUT_FILENO) return "standard output";
  return name;
}

absl::Status CouldNotOpen(const std::string& name, int error) {
  return absl::InvalidArgumentError(
      absl::StrFormat("Could not open '%s': %s", PrintableText(name), std::strerror(error)));
}

absl::StatusOr<std::unique_ptr<Device>> Open(const std::string& name, int standard, int flags) {
  const std::string shown = ShownName(name, standard);
  OwnedFd fd;
  if (const auto descriptor = DescriptorOf(name, standard)) {
    fd = OwnedFd(fcntl(*descriptor, F_DUPFD_CLOEXEC, 3));
  } else {
    const auto path = LocalPath(name);
    if (!path.ok()) return path.status();
    fd = OwnedFd(open(path->c_str(), flags | O_CLOEXEC | O_NOCTTY));
  }
  struct stat status{};
  if (!fd.valid() || FileStatus(fd.get(), &status) != 0) return CouldNotOpen(shown, errno);
  if (S_ISDIR(status.st_mode)) return CouldNotOpen(shown, EISDIR);
  const int access = fcntl(fd.get(), F_GETFL) & O_ACCMODE;
  if (access != O_RDWR && access != flags) return CouldNotOpen(shown, EBADF);
  auto device = std::make_unique<Device>();
  device->path = shown;
  device->identity = {.device = status.st_dev, .inode = status.st_ino};
  device->stream_fd = std::move(fd);
  return device;
}

std::string SpoolDirectory(const std::string& beside) {
  if (IsOutputStream(beside)) {
    const char* const temporary = std::getenv("TMPDIR");
    return temporary == nullptr || *temporary == '\0' ? "/var/tmp" : temporary;
  }
  const auto path = LocalPath(beside);
  const std::string directory(DirectoryPart(path.ok() ? *path : beside));
  return directory.empty() ? "." : directory;
}

// A file that has no name and is gone when it is closed.
OwnedFd UnnamedFile(const std::string& directory) {
  OwnedFd fd(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid() || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
  // A file system without such files.
  std::string name = directory + "/.instar-XXXXXX";
  fd = OwnedFd(mkostemp(name.data(), O_CLOEXEC));
  if (fd.valid()) unlink(name.c_str());
  return fd;
}

}  // namespace

std::string ReopenedInput(const std::string& name) {
  struct stat status{};
  if (name != kStandard || FileStatus(STDIN_FILENO, &status) != 0) return name;
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) return name;
  return lseek(STDIN_FILENO, 0, SEEK_CUR) == 0 ? "/dev/stdin" : name;
}

bool IsInputStream(const std::string& name) { return IsStream(name, STDIN_FILENO); }
bool IsOutputStream(const std::string& name) { return IsStream(name, STDOUT_FILENO); }
bool IsStandardOutputName(const std::string& name) {
  return DescriptorOf(name, STDOUT_FILENO) == STDOUT_FILENO;
}

absl::StatusOr<std::unique_ptr<Device>> OpenInputStream(const std::string& name) {
  auto device = Open(name, STDIN_FILENO, O_RDONLY);
  if (!device.ok()) return device;
  if (isatty((*device)->stream_fd.get()) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s is a terminal: an image cannot be read from it", PrintableText((*device)->path)));
  }
  (*device)->input = std::make_unique<InputStream>((*device)->stream_fd.get());
  return device;
}

absl::StatusOr<std::unique_ptr<Device>> OpenOutputStream(const std::string& name) {
  auto device = Open(name, STDOUT_FILENO, O_WRONLY);
  if (!device.ok()) return device;
  if (isatty((*device)->stream_fd.get()) != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s is a terminal: redirect it to where the image shall go",
                        PrintableText((*device)->path)));
  }
  (*device)->writable = true;
  (*device)->fresh_reads_zero = true;
  (*device)->output = std::make_unique<OutputStream>((*device)->stream_fd.get());
  return device;
}

absl::Status SpoolInput(Device& device, const std::string& beside, std::uint64_t max_bytes) {
  const auto failed = [&](const char* verb, const std::string& name, int error) {
    return absl::Status(
        error == ENOSPC || error == EDQUOT ? absl::StatusCode::kResourceExhausted
                                           : absl::StatusCode::kInvalidArgument,
        absl::StrFormat("Could not %s '%s': %s", verb, PrintableText(name), ErrorReason(error)));
  };
  const std::string directory = SpoolDirectory(beside);
  const std::string spool = "a temporary file in " + directory;
  OwnedFd fd = UnnamedFile(directory);
  if (!fd.valid()) return failed("create", spool, errno);
  StagingBuffer staging(InputStream::kPieceBytes);
  const std::span<std::byte> room = staging.Get();
  if (room.empty()) return failed("read", device.path, ENOMEM);
  constexpr std::size_t kUnit = 64 << 10;  // zeros in units of it become holes
  std::uint64_t end = 0;
  while (true) {
    std::size_t bytes = 0;
    const IoResult read = ReadStream(device.stream_fd.get(), end, room, bytes);
    if (!read.ok()) return failed("read", device.path, read.os_errno);
    if (bytes == 0) break;
    if (bytes > max_bytes - std::min(end, max_bytes)) {
      return absl::ResourceExhaustedError(
          absl::StrFormat("'%s' has more than %d bytes, the limit for a virtual disk",
                          PrintableText(device.path), max_bytes));
    }
    for (std::size_t at = 0; at < bytes; at += kUnit) {
      const std::span<std::byte> unit = room.subspan(at, std::min(kUnit, bytes - at));
      if (IsZero(unit)) continue;
      const IoResult written = WriteFully({.fd = fd.get()}, end + at, unit);
      if (!written.ok()) return failed("write", spool, written.os_errno);
    }
    end += bytes;
  }
  if (ftruncate(fd.get(), static_cast<off_t>(end)) != 0) return failed("write", spool, errno);
  device.fd = std::move(fd);
  device.input.reset();
  device.stream_fd = OwnedFd();
  return absl::OkStatus();
}

}  // namespace instar::vmm
