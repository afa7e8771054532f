// The KVM executor: the guest runs in ring 3 of a virtual machine that has no kernel at all.
//
// Nothing handles exceptions in there: no IDT, no GDT. Whatever a parser does wrong (bad access,
// divide error, privileged or system call instruction, port other than the doorbell) becomes a
// triple fault, which KVM reports as a shutdown at once, with the instruction pointer in RIP and
// the address in CR2. Running in ring 3 matters for speed as well: where KVM itself runs without
// hardware support, ring-0 code is interpreted.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "executor/address_space.h"
#include "executor/guest_cpuid.h"
#include "executor/page_tables.h"
#include "executor/vcpu_executor.h"
#include "instar/abi/call_table.h"
#include "timing/mark.h"

namespace instar::vmm {
namespace {

constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14; C libraries may not know it

constexpr std::uint64_t kCr0 = 0x80010033;  // PG WP NE ET MP PE
constexpr std::uint64_t kCr4 = 0x620;       // PAE OSFXSR OSXMMEXCPT
constexpr std::uint64_t kCr4Osxsave = 0x40000;
constexpr std::uint64_t kEfer = 0xD00;  // LME LMA NXE, not SCE: syscall is a fault

absl::Status Errno(const char* what) {
  return absl::UnavailableError(absl::StrFormat("%s: %s", what, std::strerror(errno)));
}

// Whether the kernel's KVM has what the executor relies on.
absl::Status CheckInterface(int kvm) {
  if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
    return absl::UnavailableError("/dev/kvm speaks another version of the KVM interface");
  }
  if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0) {
    return absl::UnavailableError("this kernel's KVM is too old (no immediate exit)");
  }
  return absl::OkStatus();
}

// A signal (an embedding program may have many) interrupts the making of a machine.
int CreateVm(int kvm) {
  int vm = -1;
  do {
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
  } while (vm < 0 && errno == EINTR);
  return vm;
}

kvm_segment Segment(std::uint8_t type, std::uint16_t selector, bool code) {
  kvm_segment segment{};
  segment.limit = 0xFFFFFFFF;
  segment.selector = selector;
  segment.type = type;
  segment.present = 1;
  segment.dpl = 3;
  segment.s = 1;
  segment.g = 1;
  segment.l = code ? 1 : 0;
  segment.db = code ? 0 : 1;
  return segment;
}

class KvmExecutor final : public VcpuExecutor {
 public:
  using VcpuExecutor::VcpuExecutor;
  ~KvmExecutor() override {
    StopThreads();
    StopTicking();
    // Unmapping and closing what the process is about to drop anyway costs a millisecond: only
    // library users, whose process lives on, get here at all.
    for (Vcpu& vcpu : vcpus_) {
      if (vcpu.run != nullptr) munmap(vcpu.run, run_bytes_);
      if (vcpu.fd >= 0) close(vcpu.fd);
    }
    if (vm_ >= 0) close(vm_);
    if (kvm_ >= 0) close(kvm_);
    if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
  }

  [[nodiscard]] Isolation isolation() const override { return Isolation::kKvm; }
  absl::Status Prepare(const ExecutorOptions& options) override;
  void AddJailNeeds(JailNeeds& needs) const override {
    needs.keep_fds.push_back(vm_);
    for (const Vcpu& vcpu : vcpus_) needs.keep_fds.push_back(vcpu.fd);
  }

 private:
  struct Vcpu {
    int fd = -1;
    kvm_run* run = nullptr;
    std::atomic<clockid_t> clock{0};  // of its thread's processor time, once it runs; 0: unknown
    Vcpu() = default;
    Vcpu(Vcpu&& other) noexcept : fd(other.fd), run(other.run) {}
  };

  absl::StatusOr<std::span<std::byte>> MapMemory(std::uint64_t bytes) override;
  absl::Status MakeVcpu(unsigned index, const GuestCpuid& cpuid);
  RunEnd RunVcpu(unsigned index, std::string* detail) override;
  void Kick(unsigned index) override;
  std::optional<std::chrono::nanoseconds> ProcessorTime(unsigned index) override;
  bool StartTicking(std::chrono::milliseconds period) override;
  void StopTicking() override;
  std::string DescribeFault(const Vcpu& vcpu, const char* what) const;

  int kvm_ = -1;
  int vm_ = -1;
  std::size_t run_bytes_ = 0;
  std::vector<Vcpu> vcpus_;
  std::optional<timer_t> ticks_;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
};

absl::StatusOr<std::span<std::byte>> KvmExecutor::MapMemory(std::uint64_t bytes) {
  // Aligned to large pages: a first touch of the heap then costs a fraction of a microsecond per
  // 4 KiB instead of several.
  mapping_bytes_ = bytes + kLargePage;
  mapping_ = mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    return CouldNotMapGuest(bytes);
  }
  const auto start =
      (reinterpret_cast<std::uintptr_t>(mapping_) + kLargePage - 1) / kLargePage * kLargePage;
  auto* memory = reinterpret_cast<std::byte*>(start);
  // All optimizations: failure costs time only. A verb that needs little stays within the first
  // pages, where a large one would cost more to clear than it saves; what is about to be filled is
  // fetched in one go.
  const std::uint64_t fine = layout().fine_end - INSTAR_GUEST_BASE;
  madvise(memory, fine, MADV_NOHUGEPAGE);
  const auto populate = [memory](std::uint64_t from, std::uint64_t to) {
    madvise(memory + (from - INSTAR_GUEST_BASE), to - from, kPopulateWrite);
  };
  const LoadedImage& image = layout().image;
  populate(INSTAR_GUEST_BASE, image.image_end);
  for (const GuestSegment& segment : image.segments) {
    if (segment.address >= image.image_end) {
      populate(segment.address, segment.address + segment.memory_bytes);
    }
  }
  populate(layout().boot, layout().stacks);
  madvise(memory + fine, bytes - fine, MADV_HUGEPAGE);
  return std::span<std::byte>(memory, bytes);
}

absl::Status KvmExecutor::Prepare(const ExecutorOptions& options) {
  kvm_ = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm_ < 0) return Errno("could not open /dev/kvm");
  if (absl::Status status = CheckInterface(kvm_); !status.ok()) return status;
  vm_ = CreateVm(kvm_);
  if (vm_ < 0) return Errno("could not create a virtual machine");
  // Needed by older Intel processors before a vCPU runs, refused or ignored elsewhere.
  ioctl(vm_, KVM_SET_TSS_ADDR, 0xFFFBD000);
  const int run_bytes = ioctl(kvm_, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (run_bytes < static_cast<int>(sizeof(kvm_run))) return Errno("KVM_GET_VCPU_MMAP_SIZE");
  run_bytes_ = static_cast<std::size_t>(run_bytes);
  Mark(options.timing, TimingPhase::kSandbox);

  if (absl::Status status = PrepareMemory(options, INSTAR_DOORBELL_PORT_IO); !status.ok())
    return status;
  if (!BuildPageTables(layout(), memory())) {
    return absl::InvalidArgumentError("guest memory is limited to 4 GiB");
  }
  Mark(options.timing, TimingPhase::kImage);
  kvm_userspace_memory_region region{};
  region.memory_size = memory().size();
  region.userspace_addr = reinterpret_cast<std::uint64_t>(memory().data());
  if (ioctl(vm_, KVM_SET_USER_MEMORY_REGION, &region) < 0)
    return Errno("could not give the guest memory");
  Mark(options.timing, TimingPhase::kMemory);

  const GuestCpuid cpuid = DescribeGuestCpu();
  vcpus_.resize(options.workers);
  for (unsigned i = 0; i < options.workers; ++i) {
    if (absl::Status status = MakeVcpu(i, cpuid); !status.ok()) return status;
  }
  // Of a thread that watches itself file I/O goes on; KVM_RUN returns all the same.
  HandleKickSignal(/*restarts=*/options.watch_itself);
  Mark(options.timing, TimingPhase::kVcpus);
  return absl::OkStatus();
}

absl::Status KvmExecutor::MakeVcpu(unsigned index, const GuestCpuid& cpuid) {
  Vcpu& vcpu = vcpus_[index];
  vcpu.fd = ioctl(vm_, KVM_CREATE_VCPU, index);
  if (vcpu.fd < 0) return Errno("could not create a vCPU");
  void* run = mmap(nullptr, run_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.fd, 0);
  if (run == MAP_FAILED) return Errno("could not map a vCPU");
  vcpu.run = static_cast<kvm_run*>(run);
  if (ioctl(vcpu.fd, kSetGuestCpuid, &cpuid) < 0) return Errno("KVM_SET_CPUID2");

  kvm_sregs sregs;
  if (ioctl(vcpu.fd, KVM_GET_SREGS, &sregs) < 0) return Errno("KVM_GET_SREGS");
  bool xsave = cpuid.xsave();
  sregs.cs = Segment(11, 0x33, true);
  sregs.ss = sregs.ds = sregs.es = sregs.fs = sregs.gs = Segment(3, 0x2B, false);
  sregs.fs.base = layout().vcpu(index);
  sregs.tr = {};
  sregs.tr.base = kTssVirtual;
  sregs.tr.limit = kTssLimit;
  sregs.tr.selector = 0x40;
  sregs.tr.type = 11;
  sregs.tr.present = 1;
  sregs.ldt = {};
  sregs.ldt.unusable = 1;
  sregs.gdt = {};
  sregs.idt = {};
  sregs.cr0 = kCr0;
  sregs.cr3 = 0;
  sregs.cr4 = kCr4 | (xsave ? kCr4Osxsave : 0);
  sregs.efer = kEfer;
  if (ioctl(vcpu.fd, KVM_SET_SREGS, &sregs) < 0) {
    if (!xsave) return Errno("KVM_SET_SREGS");
    xsave = false;
    sregs.cr4 = kCr4;
    if (ioctl(vcpu.fd, KVM_SET_SREGS, &sregs) < 0) return Errno("KVM_SET_SREGS");
  }
  if (xsave) {
    // AVX for the compression libraries. Nested KVMs refuse this and run AVX code all the same.
    kvm_xcrs xcrs{};
    xcrs.nr_xcrs = 1;
    xcrs.xcrs[0].value = 7;
    ioctl(vcpu.fd, KVM_SET_XCRS, &xcrs);
  }
  kvm_regs regs{};
  regs.rip = index == 0 ? layout().image.entry : INSTAR_IMAGE_BASE + INSTAR_WORKER_ENTRY_OFFSET;
  regs.rsp = layout().stack_top(index);
  regs.rdi = layout().boot;
  regs.rflags = 2;
  if (ioctl(vcpu.fd, KVM_SET_REGS, &regs) < 0) return Errno("KVM_SET_REGS");
  return absl::OkStatus();
}

VcpuExecutor::RunEnd KvmExecutor::RunVcpu(unsigned index, std::string* detail) {
  Vcpu& vcpu = vcpus_[index];
  if (vcpu.clock.load(std::memory_order_relaxed) == 0) {
    clockid_t clock = 0;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0) vcpu.clock.store(clock);
  }
  if (ioctl(vcpu.fd, KVM_RUN, 0) < 0) {
    if (errno == EINTR || errno == EAGAIN) return RunEnd::kInterrupted;
    *detail = absl::StrCat("KVM_RUN: ", std::strerror(errno));
    return RunEnd::kDied;
  }
  switch (vcpu.run->exit_reason) {
    case KVM_EXIT_IO:
      if (vcpu.run->io.port == INSTAR_DOORBELL_PORT && vcpu.run->io.direction == KVM_EXIT_IO_OUT) {
        return RunEnd::kRang;
      }
      *detail = DescribeFault(vcpu, "port access");
      return RunEnd::kDied;
    case KVM_EXIT_INTR:
      return RunEnd::kInterrupted;
    case KVM_EXIT_SHUTDOWN:
      *detail = DescribeFault(vcpu, "fault");
      return RunEnd::kDied;
    default:
      *detail = DescribeFault(vcpu, absl::StrCat("exit ", vcpu.run->exit_reason).c_str());
      return RunEnd::kDied;
  }
}

// The kick comes from a timer then.
bool KvmExecutor::StartTicking(std::chrono::milliseconds period) {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kKickSignal;
  event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
  timer_t timer{};
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return false;
  ticks_ = timer;
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, kKickSignal);
  const timespec time = {.tv_sec = 0, .tv_nsec = period.count() * 1'000'000};
  const itimerspec every = {.it_interval = time, .it_value = time};
  if (pthread_sigmask(SIG_UNBLOCK, &kick, nullptr) == 0 &&
      timer_settime(timer, 0, &every, nullptr) == 0) {
    return true;
  }
  StopTicking();
  return false;
}

void KvmExecutor::StopTicking() {
  if (ticks_) timer_delete(*ticks_);
  ticks_.reset();
}

std::string KvmExecutor::DescribeFault(const Vcpu& vcpu, const char* what) const {
  kvm_regs regs{};
  kvm_sregs sregs{};
  ioctl(vcpu.fd, KVM_GET_REGS, &regs);
  ioctl(vcpu.fd, KVM_GET_SREGS, &sregs);
  return absl::StrFormat("%s at 0x%x (address 0x%x)", what, regs.rip, sregs.cr2);
}

void KvmExecutor::Kick(unsigned index) {
  if (index >= vcpus_.size() || vcpus_[index].run == nullptr) return;
  vcpus_[index].run->immediate_exit = 1;
  // Who kicks itself is not in KVM_RUN, and finds immediate_exit when it goes there.
  InterruptThread(index);
}

std::optional<std::chrono::nanoseconds> KvmExecutor::ProcessorTime(unsigned index) {
  const clockid_t clock = vcpus_[index].clock.load(std::memory_order_relaxed);
  timespec time{};
  if (clock == 0 || clock_gettime(clock, &time) != 0) return std::nullopt;
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

std::unique_ptr<Executor> MakeKvmExecutor(const GuestImage& image) {
  return std::make_unique<KvmExecutor>(image);
}

absl::Status CheckKvm() {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0) return Errno("could not open /dev/kvm");
  absl::Status status = CheckInterface(kvm);
  if (status.ok()) {
    const int vm = CreateVm(kvm);
    if (vm < 0) status = Errno("could not create a virtual machine");
    if (vm >= 0) close(vm);
  }
  close(kvm);
  return status;
}

}  // namespace instar::vmm
