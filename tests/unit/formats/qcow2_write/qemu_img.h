// The installed qemu-img as a second opinion on what was written.
#ifndef TESTS_UNIT_FORMATS_QCOW2_WRITE_QEMU_IMG_H_
#define TESTS_UNIT_FORMATS_QCOW2_WRITE_QEMU_IMG_H_

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace instar::test {

struct CommandResult {
  int exit_code = -1;
  std::string output;
};

inline CommandResult RunCommand(const std::string& command) {
  CommandResult result;
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  std::size_t n = 0;
  while ((n = fread(buffer, 1, sizeof buffer, pipe)) > 0) result.output.append(buffer, n);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

inline bool HaveQemuImg() { return RunCommand("qemu-img --version").exit_code == 0; }

// A folder of its own for one test, removed at its end.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "instar-write-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string Path(const std::string& name) const { return path_ + "/" + name; }

  std::string Store(const std::string& name, std::span<const std::byte> bytes) const {
    std::ofstream file(Path(name), std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return Path(name);
  }

  [[nodiscard]] std::vector<std::byte> Load(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }

  // Runs qemu-img with this folder as the working directory.
  [[nodiscard]] CommandResult QemuImg(const std::string& arguments) const {
    return RunCommand("cd '" + path_ + "' && qemu-img " + arguments);
  }

 private:
  std::string path_;
};

}  // namespace instar::test

#endif  // TESTS_UNIT_FORMATS_QCOW2_WRITE_QEMU_IMG_H_
