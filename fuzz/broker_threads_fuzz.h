// Two vCPUs of a hostile guest at once, against the executor's mailbox and a real broker, while the
// memory that they share changes under the host.
//
// There is no guest: a vCPU is a list of requests from the input, which its own host thread finds
// in the mailbox as if it had rung. What the thread sanitizer is to see is the host: the broker,
// the executor's handshakes and its watchdog. Memory of the guest races by its nature, so the
// guest's side of it is another mapping of the same pages, as it is in a virtual machine, which the
// sanitizer does not connect with the host's. And as two vCPUs may have the host read and write the
// same bytes of the guest, its mapping is declared to hold such races. What the host may not do is
// to rely on such bytes: it copies them once and then checks, which the flips below put to the
// test.
//
// The input: u8 flips, for each of at most kMaxFlips u16 a place of guest memory and u64 a value
// that is written there in turn with what it held; then for each of two vCPUs u8 requests, of which
// each is u8 op and six arguments as of broker_request_fuzz.h; the rest is copied to the start of
// the heap. Whatever comes, the run ends by itself, the source keeps its bytes, the target stays
// within its limit, and no byte of a file outside the allowed directory is read.
#ifndef FUZZ_BROKER_THREADS_FUZZ_H_
#define FUZZ_BROKER_THREADS_FUZZ_H_

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker_request_fuzz.h"
#include "executor/vcpu_executor.h"

#if defined(__SANITIZE_THREAD__)
#define INSTAR_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define INSTAR_THREAD_SANITIZER
#endif
#endif
#ifdef INSTAR_THREAD_SANITIZER
// Of the sanitizer's runtime, which has no header for it: races on these bytes are none.
extern "C" void AnnotateBenignRaceSized(const char* file, int line, const volatile void* address,
                                        unsigned long bytes, const char* why);
#endif

namespace instar::fuzz {

// An image of one page of code and one of data; nothing of it is ever run.
inline std::vector<std::byte> EmptyGuestImage() {
  constexpr std::size_t kPage = 4096;
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_entry = INSTAR_IMAGE_BASE;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  Elf64_Phdr segments[2] = {};
  for (Elf64_Phdr& segment : segments) {
    segment.p_type = PT_LOAD;
    segment.p_memsz = kPage;
  }
  segments[0].p_vaddr = INSTAR_IMAGE_BASE;
  segments[0].p_flags = PF_R | PF_X;
  segments[1].p_vaddr = INSTAR_IMAGE_BASE + kPage;
  segments[1].p_flags = PF_R | PF_W;
  std::vector<std::byte> image(sizeof(header) + sizeof(segments));
  std::memcpy(image.data(), &header, sizeof(header));
  std::memcpy(image.data() + sizeof(header), segments, sizeof(segments));
  return image;
}

struct Flip {
  std::uint64_t offset;  // in the heap
  std::uint64_t value;
};

// What the guest does, by the input.
struct GuestPlan {
  static constexpr std::size_t kVcpus = 2;
  std::vector<vmm::CallFrame> requests[kVcpus];
  std::vector<Flip> flips;
  std::span<const std::byte> content;
};

// Memory of guests, one after another: mapped for the host, and once more for the guest. It is
// never unmapped, so that the host has nothing else where races are expected.
class GuestPages {
 public:
  explicit GuestPages(std::size_t bytes)
      : file_(memfd_create("fuzz-guest", MFD_CLOEXEC)), bytes_(bytes) {
    Require(file_ >= 0 && ftruncate(file_, static_cast<off_t>(bytes)) == 0, "memory for the guest");
    for (void** mapping : {&host_, &guest_}) {
      *mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
      Require(*mapping != MAP_FAILED, "memory for the guest");
    }
#ifdef INSTAR_THREAD_SANITIZER
    AnnotateBenignRaceSized(__FILE__, __LINE__, host_, bytes, "memory of the guest");
#endif
  }
  void Clear() const {
    const auto bytes = static_cast<off_t>(bytes_);
    Require(ftruncate(file_, 0) == 0 && ftruncate(file_, bytes) == 0, "fresh memory");
  }
  [[nodiscard]] void* host() const { return host_; }
  [[nodiscard]] void* guest() const { return guest_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  int file_;
  std::size_t bytes_;
  void* host_ = nullptr;
  void* guest_ = nullptr;
};

// Runs the requests of a plan. The host's threads are the executor's own.
class PlannedExecutor final : public vmm::VcpuExecutor {
 public:
  static constexpr std::uint64_t kHeapBytes = std::uint64_t{2} << 20;

  PlannedExecutor(const vmm::GuestImage& image, const GuestPlan& plan)
      : VcpuExecutor(image), plan_(plan) {}
  ~PlannedExecutor() override {
    StopThreads();
    StopFlipping();
  }

  [[nodiscard]] vmm::Isolation isolation() const override { return vmm::Isolation::kProcess; }
  absl::Status Prepare(const vmm::ExecutorOptions& options) override {
    if (absl::Status status = PrepareMemory(options, INSTAR_DOORBELL_FUTEX); !status.ok()) {
      return status;
    }
    const auto bytes = plan_.content.first(std::min<std::size_t>(plan_.content.size(), 65536));
    std::ranges::copy(bytes, heap());
    return absl::OkStatus();
  }

  // Where the heap stands, for the plan: requests name offsets in it.
  [[nodiscard]] std::uint64_t heap_address() const { return layout().heap; }

  void StartFlipping() {
    flipper_ = std::thread([this] { FlipMemory(); });
  }
  void StopFlipping() {
    done_.store(true, std::memory_order_relaxed);
    if (flipper_.joinable()) flipper_.join();
  }

 private:
  absl::StatusOr<std::span<std::byte>> MapMemory(std::uint64_t bytes) override {
    static const GuestPages pages(bytes);
    Require(pages.bytes() == bytes, "every guest is laid out the same");
    pages.Clear();
    guest_ = pages.guest();
    return std::span(static_cast<std::byte*>(pages.host()), bytes);
  }

  RunEnd RunVcpu(unsigned index, std::string*) override {
    if (ended()) return RunEnd::kInterrupted;
    std::size_t& next = next_[index];
    auto* const box = reinterpret_cast<instar_mailbox*>(
        static_cast<std::byte*>(guest_) +
        (layout().vcpu(index) + vmm::kMailboxOffset - INSTAR_GUEST_BASE));
    vmm::CallFrame frame;
    if (next < plan_.requests[index].size()) {
      frame = plan_.requests[index][next++];
    } else {
      frame.op = index == 0 ? INSTAR_OP_FINISH : INSTAR_OP_WORKER_DONE;
    }
    __atomic_store_n(&box->op, frame.op, __ATOMIC_RELAXED);
    for (std::size_t i = 0; i < frame.args.size(); ++i) {
      __atomic_store_n(&box->args[i], frame.args[i], __ATOMIC_RELAXED);
    }
    return RunEnd::kRang;
  }
  void Kick(unsigned) override {}
  bool StartTicking(std::chrono::milliseconds) override { return false; }

  [[nodiscard]] std::byte* heap() const {
    return static_cast<std::byte*>(guest_) + (layout().heap - INSTAR_GUEST_BASE);
  }

  void FlipMemory() {
    std::vector<std::uint64_t*> places;
    std::vector<std::uint64_t> held;
    for (const Flip& flip : plan_.flips) {
      places.push_back(reinterpret_cast<std::uint64_t*>(heap() + flip.offset / 8 * 8));
      held.push_back(__atomic_load_n(places.back(), __ATOMIC_RELAXED));
    }
    while (!done_.load(std::memory_order_relaxed)) {
      for (std::size_t i = 0; i < places.size(); ++i) {
        __atomic_store_n(places[i], plan_.flips[i].value, __ATOMIC_RELAXED);
      }
      std::this_thread::yield();
      for (std::size_t i = 0; i < places.size(); ++i) {
        __atomic_store_n(places[i], held[i], __ATOMIC_RELAXED);
      }
    }
  }

  const GuestPlan& plan_;
  void* guest_ = nullptr;
  std::size_t next_[GuestPlan::kVcpus] = {};  // each its vCPU's thread's
  std::atomic<bool> done_{false};
  std::thread flipper_;
};

// Where the heap of PlannedExecutor stands: the same in every run.
inline std::uint64_t PlannedHeap(std::span<const std::byte> image) {
  const auto loaded = vmm::ParseGuestImage({.name = "empty", .elf = image});
  Require(loaded.ok(), "an image for the guest");
  return vmm::PlanGuest(*loaded, {.workers = GuestPlan::kVcpus,
                                  .device_count = 0,
                                  .request_bytes = 0,
                                  .heap_bytes = PlannedExecutor::kHeapBytes})
      .heap;
}

inline GuestPlan ReadPlan(std::span<const std::byte> bytes, std::uint64_t heap) {
  constexpr std::size_t kMaxFlips = 8;
  constexpr std::size_t kMaxRequests = 12;
  GuestPlan plan;
  FuzzInput input(bytes);
  plan.flips.resize(std::min<std::size_t>(input.Take<std::uint8_t>(), kMaxFlips));
  for (Flip& flip : plan.flips) {
    flip.offset = input.Take<std::uint16_t>();
    flip.value = input.Take<std::uint64_t>();
  }
  for (auto& requests : plan.requests) {
    requests.resize(std::min<std::size_t>(input.Take<std::uint8_t>(), kMaxRequests));
    for (vmm::CallFrame& frame : requests) {
      frame.op = input.Take<std::uint8_t>();
      for (std::uint64_t& argument : frame.args) argument = TakeArgument(input, heap);
    }
  }
  plan.content = input.rest();
  return plan;
}

inline void FuzzThreads(std::span<const std::byte> bytes) {
  static const BrokerFuzzFiles files;
  static const std::vector<std::byte> image = EmptyGuestImage();
  constexpr std::uint64_t kOutputLimit = std::uint64_t{1} << 20;
  const GuestPlan plan = ReadPlan(bytes, PlannedHeap(image));

  vmm::Broker broker({.max_output_bytes = kOutputLimit, .max_devices = 6});
  Require(broker.OpenSource(files.Path("images/source"), {}).ok(), "the source opens");
  Require(broker.OpenTarget(files.Path("images/target"), {}).ok(), "the target opens");
  Require(broker.AllowReferences({}).ok(), "references are allowed");
  {
    PlannedExecutor executor({.name = "empty", .elf = image}, plan);
    Require(executor
                .Prepare({.heap_bytes = PlannedExecutor::kHeapBytes,
                          .workers = GuestPlan::kVcpus,
                          .stall_timeout = std::chrono::seconds(5)})
                .ok(),
            "the guest is laid out");
    executor.StartFlipping();
    Require(executor.StartThreads().ok(), "threads start");
    const vmm::Outcome outcome = executor.Run(broker);
    Require(outcome.kind != vmm::Outcome::Kind::kHostError, "the executor does not fail");
    executor.StopFlipping();
  }
  Require(broker.device(DeviceId{1}).size_bytes <= kOutputLimit, "the output stays in its limit");
  Require(broker.device(DeviceId{6}).path.empty(), "the number of files is bounded");
  const std::string target = files.Read("images/target");
  const std::string_view given(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (given.find(BrokerFuzzFiles::kSecret) == std::string_view::npos) {
    Require(target.find(BrokerFuzzFiles::kSecret) == std::string::npos, "no byte from outside");
  }
  (void)broker.TakeReports();
  broker.Discard();
  Require(access(files.Path("images/target").c_str(), F_OK) != 0, "the target is removed");
  Require(files.Read("images/source") == files.source_content(), "the source keeps its bytes");
}

}  // namespace instar::fuzz

#endif  // FUZZ_BROKER_THREADS_FUZZ_H_
