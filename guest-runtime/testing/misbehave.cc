// A guest image for tests: does exactly the one wrong (or right) thing it is asked for.
#include "testing/misbehave.h"

#include <array>
#include <cstdint>

#include "formats/qcow2/write/compressor.h"
#include "instar/records.h"
#include "instar/wire.h"
#include "runtime/runtime.h"

namespace instar::guest {
namespace {

volatile std::uint64_t sink = 0;
volatile std::uint64_t* volatile low_address =
    nullptr;  // volatile: compilers know that null is wrong
const std::uint64_t constant_in_rodata = 7;
std::uint64_t shared_counter = 0;

[[gnu::noinline]] std::uint64_t Recurse(std::uint64_t depth) {
  volatile std::byte frame[512];
  frame[depth % 512] = std::byte{1};
  if (depth == ~std::uint64_t{0}) return 0;
  return Recurse(depth + 1) + static_cast<std::uint64_t>(frame[0]);
}

// Whatever op and arguments the test wants, straight into the mailbox.
std::int64_t RingRaw(std::uint32_t op, const std::uint64_t (&args)[6]) {
  instar_mailbox* mailbox = ThisVcpu()->mailbox;
  mailbox->op = op;
  for (int i = 0; i < 6; ++i) mailbox->args[i] = args[i];
  Ring();
  return mailbox->result;
}

void CountUp(void*, unsigned) {
  for (int i = 0; i < 100'000; ++i) __atomic_add_fetch(&shared_counter, 1, __ATOMIC_RELAXED);
}

void FaultInWorker(void*, unsigned worker) {
  if (worker == 1) low_address[2] = 1;
  for (;;) sink = sink + 1;
}

void SpinBesideTheFirst(void*, unsigned worker) {
  while (worker != 0) sink = sink + 1;
}

const instar_call_table* calls = nullptr;

void FlushBesideSpin(void* argument, unsigned worker) {
  if (worker == 0) calls->flush(calls->context, 0);
  SpinBesideTheFirst(argument, worker);
}

void YieldForEver(void*, unsigned) {
  for (;;) calls->yield(calls->context);
}

constexpr std::uint64_t kMebibyte = 1 << 20;
instar_transfer steps[512];

[[noreturn]] void RewriteForEver(std::size_t count) {
  for (instar_transfer& step : steps) {
    step = {.kind = INSTAR_TRANSFER_COPY,
            .source = 0,
            .target = 1,
            .zero_run_bytes = 0,
            .source_offset = 0,
            .target_offset = 0,
            .length = kMebibyte};
  }
  for (;;) calls->transfer(calls->context, steps, count);
}

void WriteFarOut() {
  const instar_transfer discard = {.kind = INSTAR_TRANSFER_DISCARD,
                                   .source = 0,
                                   .target = 1,
                                   .zero_run_bytes = 0,
                                   .source_offset = 0,
                                   .target_offset = std::uint64_t{1} << 62,
                                   .length = 1};
  calls->transfer(calls->context, &discard, 1);
  instar_io write = {
      .device = 1, .reserved = 0, .offset = std::uint64_t{1} << 40, .data = steps, .length = 1};
  calls->write(calls->context, &write, 1);
}

[[noreturn]] void DripRecords() {
  WireWriter writer;
  writer.Bytes(static_cast<std::uint32_t>(ReportTag::kBeginObject), {});
  writer.Bytes(static_cast<std::uint32_t>(ReportTag::kEndObject), {});
  for (;;) {
    calls->emit(calls->context, writer.bytes().data(), writer.bytes().size());
    for (int i = 0; i < 1'000'000; ++i) sink = sink + 1;
  }
}

}  // namespace
}  // namespace instar::guest

extern "C" void instar_guest_main(const instar_call_table* table, const std::byte* request,
                                  std::size_t request_bytes) {
  using namespace instar;
  using namespace instar::guest;
  calls = table;
  auto deed = Misdeed::kNone;
  std::uint32_t op = 0;
  std::uint64_t args[6] = {};
  WireReader reader({request, request_bytes});
  while (auto field = reader.Next()) {
    const std::uint64_t value = field->AsUnsigned().value_or(0);
    if (field->tag == kMisdeedTag) deed = static_cast<Misdeed>(value);
    if (field->tag == kRawOpTag) op = static_cast<std::uint32_t>(value);
    if (field->tag >= kRawArgTag && field->tag < kRawArgTag + 6)
      args[field->tag - kRawArgTag] = value;
  }
  switch (deed) {
    case Misdeed::kNone:
      break;
    case Misdeed::kSpin:
      for (;;) sink = sink + 1;
    case Misdeed::kEndlessRequests:
      for (;;) {
        instar_device_info info;
        table->device_info(table->context, 0, &info);
      }
    case Misdeed::kEndlessWaking:
      for (;;) {
        long result;
        asm volatile("syscall"
                     : "=a"(result)
                     : "a"(202L /* futex */), "D"(&ThisVcpu()->mailbox->state), "S"(1L /* wake */),
                       "d"(1L)
                     : "rcx", "r11", "memory");
        sink = static_cast<std::uint64_t>(result);
      }
    case Misdeed::kNullRead:
      sink = low_address[0];
      break;
    case Misdeed::kWriteCode:
      *reinterpret_cast<volatile std::uint64_t*>(INSTAR_IMAGE_BASE) = 0;
      break;
    case Misdeed::kWriteReadOnlyData:
      *const_cast<volatile std::uint64_t*>(&constant_in_rodata) = 8;
      break;
    case Misdeed::kExecuteData: {
      static std::uint8_t code[16] = {0xC3};
      reinterpret_cast<void (*)()>(code)();
      break;
    }
    case Misdeed::kReadPageTables:
      sink = *reinterpret_cast<volatile std::uint64_t*>(INSTAR_GUEST_BASE + 0x1000);
      break;
    case Misdeed::kStackOverflow:
      sink = Recurse(0);
      break;
    case Misdeed::kDivideByZero: {
      // In assembly: a compiler may do without the instruction.
      std::uint64_t low = 1;
      std::uint64_t high = 0;
      asm volatile("divq %2" : "+a"(low), "+d"(high) : "r"(std::uint64_t{0}));
      sink = low;
      break;
    }
    case Misdeed::kPrivilegedInstruction:
      asm volatile("cli");
      break;
    case Misdeed::kSystemCall: {
      long result;
      asm volatile("syscall" : "=a"(result) : "a"(39L) : "rcx", "r11", "memory");
      sink = static_cast<std::uint64_t>(result);
      break;
    }
    case Misdeed::kOtherPort:
      asm volatile("outb %%al, %%dx" : : "a"(0), "d"(0x80));
      break;
    case Misdeed::kExhaustMemory:
      for (;;) {
        auto* block = new std::uint64_t[1 << 17];
        block[0] = 1;
        sink = sink + block[0];
      }
    case Misdeed::kRawRequest:
      if (RingRaw(op, args) >= 0) break;
      Die(2, "raw request refused");
    case Misdeed::kWriteAt:
      *reinterpret_cast<volatile std::uint64_t*>(args[0]) = 0;
      break;
    case Misdeed::kCallAt:
      reinterpret_cast<void (*)()>(args[0])();
      break;
    case Misdeed::kCompress: {
      static std::array<std::byte, 1 << 16> zeros;
      static std::array<std::byte, 1 << 10> out;
      auto compressor = qcow2::MakeDeflateCompressor();
      if (!compressor) {
        Die(static_cast<std::uint32_t>(compressor.error().code), compressor.error().message);
      }
      if ((*compressor)->Compress(zeros, out) == 0) Die(1, "zeros do not compress");
      break;
    }
    case Misdeed::kAskForDevices: {
      instar_device_info info{};
      for (std::uint32_t device = 0; device < 3; ++device) {
        if (table->device_info(table->context, device, &info) < 0) Die(1, "refused");
        if (device < 2 && info.size_bytes != 10 + device) Die(1, "another size");
      }
      table->resize(table->context, 0, 5, 0);
      table->device_info(table->context, 0, &info);
      break;
    }
    case Misdeed::kParallelCount: {
      table->parallel(table->context, table->max_workers, CountUp, nullptr);
      table->parallel(table->context, table->max_workers, CountUp, nullptr);
      if (shared_counter != 200'000ull * table->max_workers) Die(1, "workers lost counts");
      break;
    }
    case Misdeed::kFaultInWorker:
      table->parallel(table->context, 2, FaultInWorker, nullptr);
      break;
    case Misdeed::kTooManyWorkers: {
      const std::int64_t result =
          table->parallel(table->context, table->max_workers + 1, CountUp, nullptr);
      Die(INSTAR_CALL_ERROR_CODE(result), "too many workers refused");
    }
    case Misdeed::kWorkerSpins:
      table->parallel(table->context, 2, SpinBesideTheFirst, nullptr);
      break;
    case Misdeed::kFlushBesideSpin:
      table->parallel(table->context, 2, FlushBesideSpin, nullptr);
      break;
    case Misdeed::kAllYield:
      table->parallel(table->context, table->max_workers, YieldForEver, nullptr);
      break;
    case Misdeed::kDiscardFarThenRewrite:
      WriteFarOut();
      RewriteForEver(1);
    case Misdeed::kRewrite:
      RewriteForEver(1);
    case Misdeed::kRewriteInOneRequest:
      RewriteForEver(sizeof steps / sizeof steps[0]);
    case Misdeed::kDripRecords:
      DripRecords();
    case Misdeed::kFailPlainly:
      Die(1, "failed as asked at {0x}");
      break;
  }
}
