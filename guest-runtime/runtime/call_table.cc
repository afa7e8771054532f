// The guest's call table: functions fill in this vCPU's mailbox and ring.
#include <type_traits>

#include "runtime.h"

namespace instar::guest {
namespace {

struct Reply {
  std::int64_t result;
  std::uint64_t value;
};

template <typename T>
std::uint64_t Word(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<std::uint64_t>(value);
  } else {
    return static_cast<std::uint64_t>(value);
  }
}

template <typename... Arguments>
Reply Call(instar_op op, Arguments... arguments) {
  instar_mailbox* mailbox = ThisVcpu()->mailbox;
  mailbox->op = op;
  const std::uint64_t words[6] = {Word(arguments)...};
  for (int i = 0; i < 6; ++i) mailbox->args[i] = words[i];
  // The host reads and writes memory the compiler knows nothing of.
  asm volatile("" : : : "memory");
  Ring();
  asm volatile("" : : : "memory");
  return {.result = mailbox->result, .value = mailbox->value};
}

// What the host said of the first devices before it was asked.
constinit const instar_device_info* devices = nullptr;
constinit std::uint32_t device_count = 0;

// From here on what the host said may be true no more.
void ForgetDevices() { __atomic_store_n(&device_count, 0, __ATOMIC_RELAXED); }

std::int64_t DeviceInfo(void*, std::uint32_t device, instar_device_info* info) {
  if (device < __atomic_load_n(&device_count, __ATOMIC_RELAXED)) {
    *info = devices[device];
    return 0;
  }
  return Call(INSTAR_OP_DEVICE_INFO, device, info).result;
}
std::int64_t OpenReference(void*, std::uint32_t parent, const char* name, std::uint64_t length,
                           std::uint32_t role) {
  return Call(INSTAR_OP_OPEN_REFERENCE, parent, name, length, role).result;
}
std::int64_t Resize(void*, std::uint32_t device, std::uint64_t bytes, std::uint32_t preallocation) {
  ForgetDevices();
  return Call(INSTAR_OP_RESIZE, device, bytes, preallocation).result;
}
std::int64_t Flush(void*, std::uint32_t device) { return Call(INSTAR_OP_FLUSH, device).result; }
std::int64_t Read(void*, const instar_io* list, std::uint64_t count) {
  return Call(INSTAR_OP_READ, list, count).result;
}
std::int64_t Write(void*, const instar_io* list, std::uint64_t count) {
  ForgetDevices();
  return Call(INSTAR_OP_WRITE, list, count).result;
}
std::int64_t Transfer(void*, const instar_transfer* list, std::uint64_t count) {
  ForgetDevices();
  return Call(INSTAR_OP_TRANSFER, list, count).result;
}
std::int64_t ScanZero(void*, const instar_range* list, std::uint64_t count, std::uint64_t unit,
                      std::uint64_t* bitmap, std::uint64_t words) {
  return Call(INSTAR_OP_SCAN_ZERO, list, count, unit, bitmap, words).result;
}
std::int64_t NextRuns(void*, std::uint32_t device, std::uint64_t offset, std::uint64_t max_length,
                      std::uint64_t unit, instar_run* runs, std::uint64_t capacity) {
  return Call(INSTAR_OP_NEXT_RUNS, device, offset, max_length, unit, runs, capacity).result;
}
std::int64_t Compare(void*, const instar_range* a, const instar_range* b, std::uint64_t* first) {
  const Reply reply = Call(INSTAR_OP_COMPARE, a, b);
  *first = reply.value;
  return reply.result;
}
std::int64_t Emit(void*, const void* records, std::uint64_t length) {
  return Call(INSTAR_OP_EMIT, records, length).result;
}
std::int64_t Progress(void*, std::uint64_t done, std::uint64_t total) {
  instar_mailbox* mailbox = ThisVcpu()->mailbox;
  mailbox->posted_done = done;
  mailbox->posted_total = total;
  return 0;
}
std::int64_t Parallel(void*, std::uint32_t workers, void (*function)(void*, unsigned),
                      void* argument) {
  if (workers > 1) {
    const std::int64_t started = Call(INSTAR_OP_PARALLEL_START, workers - 1,
                                      reinterpret_cast<std::uint64_t>(function), argument)
                                     .result;
    if (started < 0) return started;
  }
  function(argument, 0);
  return workers > 1 ? Call(INSTAR_OP_PARALLEL_JOIN).result : 0;
}
std::int64_t WriteRoot(void*, std::uint32_t device, std::uint64_t offset, const void* data,
                       std::uint64_t length) {
  ForgetDevices();
  return Call(INSTAR_OP_WRITE_ROOT, device, offset, data, length).result;
}
std::int64_t ResizeRoot(void*, std::uint32_t device, std::uint64_t bytes,
                        std::uint32_t preallocation) {
  ForgetDevices();
  return Call(INSTAR_OP_RESIZE_ROOT, device, bytes, preallocation).result;
}
std::int64_t Yield(void*) { return Call(INSTAR_OP_YIELD).result; }
void Finish(void*) { Call(INSTAR_OP_FINISH); }
void Fail(void*, const instar_failure* failure) { Call(INSTAR_OP_FAIL, failure); }

constinit instar_call_table table = {
    .magic = INSTAR_ABI_MAGIC,
    .version = INSTAR_ABI_VERSION,
    .size = sizeof(instar_call_table),
    .max_workers = 1,
    .context = nullptr,
    .device_info = DeviceInfo,
    .open_reference = OpenReference,
    .resize = Resize,
    .flush = Flush,
    .read = Read,
    .write = Write,
    .transfer = Transfer,
    .scan_zero = ScanZero,
    .next_runs = NextRuns,
    .compare = Compare,
    .emit = Emit,
    .progress = Progress,
    .parallel = Parallel,
    .yield = Yield,
    .finish = Finish,
    .fail = Fail,
    .write_root = WriteRoot,
    .resize_root = ResizeRoot,
};

}  // namespace

const instar_call_table& CallTable() { return table; }
void InitCallTable(const instar_boot& boot) {
  table.max_workers = boot.max_workers;
  devices = reinterpret_cast<const instar_device_info*>(boot.devices);
  device_count = boot.device_count;
}

}  // namespace instar::guest
