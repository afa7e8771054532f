// Requests of a hostile guest against a real broker over small files.
//
// The input is a list of frames and what guest memory holds:
//   u8 number of frames (at most kMaxFrames), then for each: u8 op, u8 worker, and six arguments of
//   one tag byte each: 0 a byte follows, 1 an offset into writable guest memory (u16) follows, 2 a
//   whole word (u64) follows, 3 all ones, others zero;
//   the rest is copied to the start of writable guest memory.
// Device 0 is a source, 1 a target, 2 a file that is changed in place. The op kInterrupt is none of
// the guest's: a signal handler ends the run there.
// Whatever comes, the source keeps its bytes, the target stays within its limit, the edited file
// gets its length back unless a root was written, memory the guest may not write stays as it was,
// no file outside the allowed directory is opened, and an accepted report is a tree within bounds.
#ifndef FUZZ_BROKER_REQUEST_FUZZ_H_
#define FUZZ_BROKER_REQUEST_FUZZ_H_

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "broker/broker.h"
#include "instar/abi/call_table.h"
#include "instar/abi/mailbox.h"
#include "instar/records.h"

namespace instar::fuzz {

inline void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// The files of all runs of this process, removed when it ends.
class BrokerFuzzFiles {
 public:
  static constexpr std::string_view kSecret = "SECRET-SECRET-SECRET";
  static constexpr std::size_t kEditedBytes = 20'000;

  BrokerFuzzFiles() {
    namespace fs = std::filesystem;
    const bool has_memory_files = access("/dev/shm", W_OK) == 0;
    std::string name = has_memory_files ? "/dev/shm/instar-fuzz-XXXXXX" : "/tmp/instar-fuzz-XXXXXX";
    Require(mkdtemp(name.data()) != nullptr, "a directory for the files");
    root_ = name;
    fs::create_directories(root_ / "images" / "sub");
    fs::create_directories(root_ / "outside");
    source_content_.assign(20'000, '\0');
    for (std::size_t i = 0; i < source_content_.size(); i += 5'000) source_content_[i] = 'x';
    Write("images/source", source_content_);
    edited_content_.assign(kEditedBytes, 'o');
    Write("images/base", "base");
    Write("images/sub/deep", "deep");
    Write("outside/secret", kSecret);
    fs::create_symlink("../outside/secret", root_ / "images" / "link");
    fs::create_symlink("sub", root_ / "images" / "inner");
    Require(mkfifo((root_ / "images" / "fifo").c_str(), 0600) == 0, "a fifo");
  }
  ~BrokerFuzzFiles() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] std::string Path(std::string_view name) const { return (root_ / name).string(); }
  void Write(std::string_view name, std::string_view content) const {
    std::ofstream(root_ / name, std::ios::binary) << content;
  }
  [[nodiscard]] std::string Read(std::string_view name) const {
    std::ifstream file(root_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] const std::string& source_content() const { return source_content_; }
  void RenewEdited() const { Write("images/edited", edited_content_); }
  [[nodiscard]] std::uint64_t EditedBytes() const {
    return std::filesystem::file_size(root_ / "images/edited");
  }

 private:
  std::filesystem::path root_;
  std::string source_content_;
  std::string edited_content_;
};

// Takes values from the front of the input; zeros when it is used up.
class FuzzInput {
 public:
  explicit FuzzInput(std::span<const std::byte> bytes) : rest_(bytes) {}
  template <typename T>
  T Take() {
    T value{};
    const std::size_t length = std::min(sizeof(T), rest_.size());
    std::memcpy(&value, rest_.data(), length);
    rest_ = rest_.subspan(length);
    return value;
  }
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

// One argument of a request; `writable`: an address of memory that the guest may write.
inline std::uint64_t TakeArgument(FuzzInput& input, std::uint64_t writable) {
  switch (input.Take<std::uint8_t>()) {
    case 0:
      return input.Take<std::uint8_t>();
    case 1:
      return writable + input.Take<std::uint16_t>();
    case 2:
      return input.Take<std::uint64_t>();
    case 3:
      return ~std::uint64_t{0};
    default:
      return 0;
  }
}

inline unsigned DepthOf(const vmm::ReportTree& value) {
  using Kind = vmm::ReportTree::Kind;
  if (value.kind() != Kind::kArray && value.kind() != Kind::kObject) return 0;
  unsigned deepest = 0;
  for (const auto& [key, item] : value.members()) {
    Require(key.empty() == (value.kind() == Kind::kArray), "members have keys, items have none");
    Require(key.size() <= kMaxReportKeyBytes, "keys are well-formed");
    deepest = std::max(deepest, DepthOf(item));
  }
  return deepest + 1;
}

// The promise of a file that is changed in place, at the end of a run. `interrupted`: what the
// handler of a signal found, if there was one.
inline void JudgeEdited(const BrokerFuzzFiles& files, vmm::Broker& broker,
                        std::optional<vmm::Interruption> interrupted, std::uint64_t limit) {
  using Phase = vmm::EditedFiles::Phase;
  broker.Discard();
  const Phase phase = broker.change();
  Require(phase != Phase::kNone && phase != Phase::kOpen && phase != Phase::kFlipping,
          "a change comes to an end");
  if (interrupted == vmm::Interruption::kUndone) {
    Require(phase == Phase::kUndone, "nothing is changed any more when it was undone");
  }
  if (phase == Phase::kUndone) {
    Require(files.EditedBytes() == BrokerFuzzFiles::kEditedBytes,
            "a change that was undone leaves the length");
  }
  Require(files.EditedBytes() <= limit, "the edited file stays in its limit");
  broker.EndChange();
}

inline void FuzzBrokerRequests(std::span<const std::byte> bytes) {
  static const BrokerFuzzFiles files;
  constexpr std::uint64_t kBase = INSTAR_GUEST_BASE;
  constexpr std::uint64_t kReadableFrom = kBase + 4096;
  constexpr std::uint64_t kWritableFrom = kBase + 8192;
  constexpr std::size_t kMemory = 8192 + 65536;
  constexpr std::uint64_t kOutputLimit = std::uint64_t{1} << 20;
  constexpr std::size_t kMaxFrames = 12;
  constexpr std::uint8_t kInterrupt = 0xF0;
  constexpr std::byte kUntouched{0xA5};

  vmm::Broker broker({.max_output_bytes = kOutputLimit, .max_devices = 7});
  Require(broker.OpenSource(files.Path("images/source"), {}).ok(), "the source opens");
  Require(broker.OpenTarget(files.Path("images/target"), {}).ok(), "the target opens");
  files.RenewEdited();
  Require(broker.OpenTarget(files.Path("images/edited"), {.keep = true, .edit = true}).ok(),
          "the edited file opens");
  Require(broker.AllowReferences({}).ok(), "references are allowed");
  std::optional<vmm::Interruption> interrupted;

  std::vector<std::byte> memory(kMemory, kUntouched);
  const vmm::GuestMemory view(kBase, memory,
                              {.readable_from = kReadableFrom, .writable_from = kWritableFrom});

  FuzzInput input(bytes);
  struct Call {
    unsigned worker;
    vmm::CallFrame frame;
  };
  std::vector<Call> calls(std::min<std::size_t>(input.Take<std::uint8_t>(), kMaxFrames));
  for (Call& call : calls) {
    call.frame.op = input.Take<std::uint8_t>();
    call.worker = input.Take<std::uint8_t>() % (INSTAR_MAX_WORKERS + 1);
    for (std::uint64_t& argument : call.frame.args) argument = TakeArgument(input, kWritableFrom);
  }
  const std::size_t filled = std::min<std::size_t>(input.rest().size(), 65536);
  std::memcpy(memory.data() + 8192, input.rest().data(), filled);

  for (const Call& call : calls) {
    if (call.frame.op == kInterrupt) {
      if (!interrupted) interrupted = vmm::Broker::DiscardFromSignalHandler();
      continue;
    }
    const vmm::CallResult result = broker.Handle(call.worker, call.frame, view);
    if (result.result < 0) {
      const std::uint32_t code = INSTAR_CALL_ERROR_CODE(result.result);
      Require(code >= 1 && code <= 8, "failures carry a known code");
    }
    if (broker.violation() != nullptr) break;
  }

  for (std::size_t i = 0; i < 8192; ++i) {
    Require(memory[i] == kUntouched, "memory the guest may not write stays");
  }
  const std::string_view seen(reinterpret_cast<const char*>(memory.data()), memory.size());
  const std::string_view given(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (given.find(BrokerFuzzFiles::kSecret) == std::string_view::npos) {
    Require(seen.find(BrokerFuzzFiles::kSecret) == std::string_view::npos, "no byte from outside");
  }
  Require(broker.device(DeviceId{1}).size_bytes <= kOutputLimit, "the output stays in its limit");
  Require(!broker.device(DeviceId{7}).path.size(), "the number of files is bounded");
  if (const auto reports = broker.TakeReports(); reports.ok()) {
    for (const vmm::ReportTree& report : *reports) {
      Require(DepthOf(report) <= kMaxReportDepth, "reports have bounded depth");
    }
  }
  JudgeEdited(files, broker, interrupted, kOutputLimit);
  Require(access(files.Path("images/target").c_str(), F_OK) != 0, "the target is removed");
  Require(files.Read("images/source") == files.source_content(), "the source keeps its bytes");
}

}  // namespace instar::fuzz

#endif  // FUZZ_BROKER_REQUEST_FUZZ_H_
