// qemu-img check as a second judge of crash states.
//
// It takes some milliseconds an image, so it gets the states that a seed draws, in batches. It has
// to say of each what it says of the image before or after the change: of clean ones, nothing.
#ifndef TESTS_CRASH_QEMU_CHECK_H_
#define TESTS_CRASH_QEMU_CHECK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "crash/image_facts.h"

namespace instar::crash {

// Runs a command of the shell; its exit status, and all of its output in `output`.
int RunShell(const std::string& command, std::string& output);
// Whether qemu-img and qemu-io are installed.
bool HaveQemu();

// A folder of its own, removed at the end.
class ScratchFolder {
 public:
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();
  [[nodiscard]] const std::string& path() const { return path_; }

  void Store(const std::string& name, const SparseFile& file) const;
  // Nothing if the file is not there.
  [[nodiscard]] std::optional<SparseFile> Load(const std::string& name) const;

 private:
  std::string path_;
};

class QemuCheck {
 public:
  // Takes about `most` of the states that it is given; those that come first, then fewer and fewer.
  QemuCheck(std::uint64_t seed, std::uint64_t most) : random_(seed), most_(most) {}

  // The images before and after the change, whose verdicts are the allowed ones.
  void Expect(const ImageFiles& before, const ImageFiles& after);
  // `disk_bytes`: that the disk has at least.
  void Add(const ImageFiles& files, std::uint64_t disk_bytes, bool may_be_old,
           const std::function<std::string()>& describe);
  // Judges what is left; how many were judged since the last time. Appends to `failures`.
  std::uint64_t Finish(std::vector<std::string>& failures);

 private:
  static constexpr std::size_t kBatch = 64;
  struct Waiting {
    bool may_be_old = false;
    std::string description;
  };

  void Store(const ImageFiles& files);
  void Judge();

  std::mt19937_64 random_;
  std::uint64_t most_;
  std::uint64_t seen_ = 0;
  std::uint64_t judged_ = 0;
  int old_code_ = 0;
  int new_code_ = 0;
  ScratchFolder folder_;
  std::vector<Waiting> waiting_;
  std::vector<std::string> failures_;
};

}  // namespace instar::crash

#endif  // TESTS_CRASH_QEMU_CHECK_H_
