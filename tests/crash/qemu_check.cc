#include "crash/qemu_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace instar::crash {

int RunShell(const std::string& command, std::string& output) {
  output.clear();
  FILE* const pipe = popen(absl::StrCat("{ ", command, "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) return -1;
  char buffer[4096];
  std::size_t n = 0;
  while ((n = fread(buffer, 1, sizeof buffer, pipe)) > 0) output.append(buffer, n);
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool HaveQemu() {
  static const bool have = [] {
    std::string output;
    return RunShell("qemu-img --version && qemu-io --version", output) == 0;
  }();
  return have;
}

ScratchFolder::ScratchFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "instar-crash-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    perror(pattern.c_str());
    std::exit(2);
  }
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void ScratchFolder::Store(const std::string& name, const SparseFile& file) const {
  const std::string path = absl::StrCat(path_, "/", name);
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool good = fd >= 0 && ftruncate(fd, static_cast<off_t>(file.size_bytes())) == 0;
  std::vector<std::byte> bytes;
  for (std::uint64_t at = 0; good && at < file.size_bytes();) {
    const FileRun run = file.NextRun(at, file.size_bytes() - at);
    if (!run.hole) {
      bytes.resize(run.length_bytes);
      file.Read(at, bytes);
      good = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
             static_cast<ssize_t>(bytes.size());
    }
    at += run.length_bytes;
  }
  if (!good) {
    perror(path.c_str());
    std::exit(2);
  }
  close(fd);
}

std::optional<SparseFile> ScratchFolder::Load(const std::string& name) const {
  const int fd = open(absl::StrCat(path_, "/", name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  SparseFile file;
  struct stat about{};
  if (fstat(fd, &about) != 0) about.st_size = 0;
  std::vector<std::byte> piece(std::size_t{1} << 20);
  off_t at = 0;
  while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && at < about.st_size) {
    const ssize_t n = pread(fd, piece.data(), piece.size(), at);
    if (n <= 0) break;
    file.Write(static_cast<std::uint64_t>(at), std::span(piece).first(static_cast<std::size_t>(n)));
    at += n;
  }
  file.Resize(static_cast<std::uint64_t>(about.st_size));
  close(fd);
  return file;
}

void QemuCheck::Store(const ImageFiles& files) {
  const std::string folder = std::to_string(waiting_.size());
  std::filesystem::create_directories(absl::StrCat(folder_.path(), "/", folder));
  folder_.Store(folder + "/i.qcow2", files.image);
  if (files.data_file) folder_.Store(folder + "/d.raw", *files.data_file);
  if (files.backing) {
    folder_.Store("b.raw", *files.backing);
    std::error_code ignored;
    std::filesystem::create_symlink("../b.raw", absl::StrCat(folder_.path(), "/", folder, "/b.raw"),
                                    ignored);
  }
}

void QemuCheck::Expect(const ImageFiles& before, const ImageFiles& after) {
  waiting_.clear();
  std::string output;
  const std::string command =
      absl::StrCat("cd '", folder_.path(), "/0' && qemu-img check -q -f qcow2 i.qcow2");
  Store(before);
  old_code_ = RunShell(command, output);
  Store(after);
  new_code_ = RunShell(command, output);
  seen_ = 0;
}

void QemuCheck::Add(const ImageFiles& files, std::uint64_t disk_bytes, bool may_be_old,
                    const std::function<std::string()>& describe) {
  // The kth state is taken with the chance most / k.
  if (files.format != FormatId::kQcow2 || random_() % ++seen_ >= most_) return;
  Store(files);
  // One of four.
  if (random_() % 4 == 0 && disk_bytes >= 512) {
    std::ofstream(absl::StrCat(folder_.path(), "/", waiting_.size(), "/write"));
  }
  waiting_.push_back({may_be_old, describe()});
  if (waiting_.size() == kBatch) Judge();
}

void QemuCheck::Judge() {
  if (waiting_.empty()) return;
  std::string output;
  // QEMU also writes on in each that is clean, and must leave it so.
  RunShell(absl::StrCat("cd '", folder_.path(), "' || exit; i=0; while [ $i -lt ", waiting_.size(),
                        R"( ]; do (cd $i && qemu-img check -q -f qcow2 i.qcow2 >out 2>&1; code=$?
                          if [ $code = 0 ] && [ -f write ]; then
                            qemu-io -f qcow2 -c 'write -P 119 0 512' i.qcow2 >out 2>&1 &&
                              qemu-img check -q -f qcow2 i.qcow2 >>out 2>&1; code=$?
                          fi; rm -f write; echo $code); i=$((i + 1)); done)"),
           output);
  std::istringstream codes(output);
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    int code = -1;
    codes >> code;
    ++judged_;
    // A longer file can look better: references beyond its end are errors to qemu-img.
    if (code == 0 || code == (waiting_[i].may_be_old ? old_code_ : new_code_)) continue;
    std::ifstream file(absl::StrCat(folder_.path(), "/", i, "/out"));
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    failures_.push_back(absl::StrCat("qemu-img check exits with ", code, ": ", text.substr(0, 400),
                                     "\n    after ", waiting_[i].description));
  }
  waiting_.clear();
}

std::uint64_t QemuCheck::Finish(std::vector<std::string>& failures) {
  Judge();
  std::ranges::move(failures_, std::back_inserter(failures));
  failures_.clear();
  return std::exchange(judged_, 0);
}

}  // namespace instar::crash
