// The seam between the executors, which run a guest, and the broker, which does what the guest
// asks.
#ifndef LIBINSTAR_VMM_SRC_EXECUTOR_CALL_HANDLER_H_
#define LIBINSTAR_VMM_SRC_EXECUTOR_CALL_HANDLER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace instar::vmm {

// A request as copied once from a mailbox; nothing in it has been checked.
struct CallFrame {
  std::uint32_t op = 0;  // enum instar_op
  std::array<std::uint64_t, 6> args{};
};

struct CallResult {
  std::int64_t result = 0;  // as the call table's functions return
  std::uint64_t value = 0;  // second result where a call has one (COMPARE: first difference)
};

// The guest's memory as the host sees it. Addresses are the guest's own; every access is checked
// against the region the guest itself may read (or write). The inline executor's memory is the
// process's own: kUnchecked.
class GuestMemory {
 public:
  // What requests may be about, up to the end of memory.
  struct Bounds {
    std::uint64_t readable_from = 0;
    std::uint64_t writable_from = 0;
    // But for the parts (abi/part.h) in [parts_start, parts_end), which nobody reads from or
    // writes.
    std::uint64_t parts_start = 0;
    std::uint64_t parts_end = 0;
  };

  GuestMemory() = default;
  // Guest addresses [base, base+host.size()) are at `host`.
  GuestMemory(std::uint64_t base, std::span<std::byte> host, const Bounds& bounds)
      : base_(base), host_(host), bounds_(bounds) {}
  static GuestMemory Unchecked() {
    GuestMemory memory;
    memory.unchecked_ = true;
    return memory;
  }

  // The bytes at [address, address+length), or an empty span if the guest may not read (write) all
  // of them. length 0 gives an empty span as well. The guest may change the bytes at any time: copy
  // before checking.
  [[nodiscard]] std::span<const std::byte> Readable(std::uint64_t address,
                                                    std::uint64_t length) const {
    return Window(address, length, bounds_.readable_from);
  }
  [[nodiscard]] std::span<std::byte> Writable(std::uint64_t address, std::uint64_t length) const {
    return Window(address, length, bounds_.writable_from);
  }

 private:
  [[nodiscard]] std::span<std::byte> Window(std::uint64_t address, std::uint64_t length,
                                            std::uint64_t from) const {
    if (unchecked_)
      return {reinterpret_cast<std::byte*>(address), static_cast<std::size_t>(length)};
    const std::uint64_t end = base_ + host_.size();
    if (address < from || address > end || length > end - address) return {};
    if (address < bounds_.parts_end && address + length > bounds_.parts_start) return {};
    return host_.subspan(static_cast<std::size_t>(address - base_),
                         static_cast<std::size_t>(length));
  }

  std::uint64_t base_ = 0;
  std::span<std::byte> host_;
  Bounds bounds_;
  bool unchecked_ = false;
};

// What one worker had done so far, in bytes. Both only grow.
struct WorkDone {
  std::uint64_t moved = 0;  // written, read, scanned, ...
  std::uint64_t fresh = 0;  // of those, such as show that the run gets on (io/work_ledger.h)
};

// Does what a guest asks. Called by one thread per worker, several at once. Handle never trusts a
// frame: a lying one is answered with an error or, where honest guest code cannot have sent it,
// recorded as a violation (violation() then tells, and the executor ends the guest).
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  virtual CallResult Handle(unsigned worker, const CallFrame& frame, const GuestMemory& memory) = 0;

  // What `worker` had done, as of now; by any thread. The watchdog ends a guest for which it stands
  // still too long (stall_clock.h).
  [[nodiscard]] virtual WorkDone work_done(unsigned worker) const = 0;

  // The run has ended: calls that are under way give up soon. By any thread.
  virtual void Stop() {}

  // Null, or why the guest must be ended ("guest sent a request that honest code cannot send:
  // ..."). Static text.
  [[nodiscard]] virtual const char* violation() const = 0;
};

}  // namespace instar::vmm

#endif  // LIBINSTAR_VMM_SRC_EXECUTOR_CALL_HANDLER_H_
