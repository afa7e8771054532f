// Every operation with every field forged in turn: the answer is an error or a violation, nothing
// is read or written that should not be, and the broker goes on serving honest requests.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "io/work_ledger.h"
#include "libinstar-vmm/broker/fake_guest.h"
#include "libinstar-vmm/temporary_directory.h"

namespace instar::vmm {
namespace {

constexpr std::uint64_t kMax = ~std::uint64_t{0};
constexpr std::uint64_t kSourceBytes = 100'000;
constexpr std::uint64_t kOutputLimit = std::uint64_t{1} << 20;

// Devices 0 (source) and 1 (target), and a guest.
class Scene {
 public:
  Scene() : broker({.max_output_bytes = kOutputLimit, .max_devices = 8}), guest(broker) {
    source =
        broker.OpenSource(directory.Write("source", std::string(kSourceBytes, 's')), {}).value();
    target = broker.OpenTarget(directory / "target", {}).value();
    EXPECT_TRUE(broker.AllowReferences({}).ok());
  }
  TemporaryDirectory directory;
  Broker broker;
  FakeGuest guest;
  DeviceId source;
  DeviceId target;
};

enum class Expect { kViolation, kError };

struct Forgery {
  const char* name;
  Expect expect;
  ErrorCode code;
  std::function<CallResult(Scene&)> send;
};
void PrintTo(const Forgery& forgery, std::ostream* out) { *out << forgery.name; }

CallResult Frame(Scene& s, std::uint32_t op, std::array<std::uint64_t, 6> args) {
  return s.guest.Call(op, args);
}
instar_io GoodIo(Scene& s, DeviceId device) {
  return FakeGuest::Entry(device, 0, s.guest.Allocate(512), 512);
}
instar_transfer GoodCopy(Scene& s) {
  return {.kind = INSTAR_TRANSFER_COPY,
          .source = static_cast<std::uint32_t>(s.source),
          .target = static_cast<std::uint32_t>(s.target),
          .zero_run_bytes = 0,
          .source_offset = 0,
          .target_offset = 0,
          .length = 4096};
}
CallResult SendCopy(Scene& s, const std::function<void(instar_transfer&)>& forge) {
  instar_transfer step = GoodCopy(s);
  forge(step);
  return s.guest.Transfer({step});
}
CallResult SendIo(Scene& s, std::uint32_t op, const std::function<void(instar_io&)>& forge) {
  instar_io io = GoodIo(s, op == INSTAR_OP_READ ? s.source : s.target);
  forge(io);
  return s.guest.Io(op, {io});
}
CallResult SendScan(Scene& s, const instar_range& range, std::uint64_t unit, std::uint64_t words) {
  return Frame(s, INSTAR_OP_SCAN_ZERO,
               {s.guest.Put(std::span(&range, 1)), 1, unit, s.guest.Allocate(512), words});
}
CallResult SendCompare(Scene& s, const instar_range& a, const instar_range& b) {
  return s.guest.Compare(a, b);
}
instar_range Range(Scene& s, std::uint64_t offset, std::uint64_t length) {
  return {.device = static_cast<std::uint32_t>(s.source),
          .reserved = 0,
          .offset = offset,
          .length = length};
}

const std::uint64_t kNoDeviceWord = 77;
const std::uint64_t kLongDeviceWord = std::uint64_t{1} << 32;

#define VIOLATION(name, ...) \
  {name, Expect::kViolation, ErrorCode::kInvalidArgument, [](Scene & s) -> CallResult __VA_ARGS__}
#define ERROR(name, code, ...) \
  {name, Expect::kError, ErrorCode::code, [](Scene & s) -> CallResult __VA_ARGS__}

const std::vector<Forgery> kForgeries = {
    // operations
    VIOLATION("OpZero", { return Frame(s, 0, {}); }),
    VIOLATION("OpBeyondTheLast", { return Frame(s, INSTAR_OP_RESIZE_ROOT + 1, {}); }),
    VIOLATION("OpHuge", { return Frame(s, 0xFFFFFFFF, {}); }),
    VIOLATION("OpOfTheExecutor", { return Frame(s, INSTAR_OP_PARALLEL_START, {}); }),
    VIOLATION("WorkerBeyondTheLast",
              { return s.guest.Call(INSTAR_OP_FLUSH, {1}, INSTAR_MAX_WORKERS); }),

    // DEVICE_INFO
    ERROR("InfoOfUnknownDevice", kInvalidArgument,
          { return Frame(s, INSTAR_OP_DEVICE_INFO, {kNoDeviceWord, s.guest.Allocate(16)}); }),
    VIOLATION("InfoOfLongDeviceNumber",
              { return Frame(s, INSTAR_OP_DEVICE_INFO, {kLongDeviceWord, s.guest.Allocate(16)}); }),
    VIOLATION("InfoToNull", { return Frame(s, INSTAR_OP_DEVICE_INFO, {0, 0}); }),
    VIOLATION("InfoToReadOnlyMemory",
              { return Frame(s, INSTAR_OP_DEVICE_INFO, {0, FakeGuest::kReadableFrom}); }),
    VIOLATION("InfoToPageTables",
              { return Frame(s, INSTAR_OP_DEVICE_INFO, {0, FakeGuest::kBase}); }),
    VIOLATION("InfoAcrossTheEnd",
              { return Frame(s, INSTAR_OP_DEVICE_INFO, {0, FakeGuest::kEnd - 8}); }),
    VIOLATION("InfoToTheLastAddress", { return Frame(s, INSTAR_OP_DEVICE_INFO, {0, kMax}); }),

    // OPEN_REFERENCE
    ERROR("ReferenceOfUnknownDevice", kInvalidArgument,
          { return Frame(s, INSTAR_OP_OPEN_REFERENCE, {kNoDeviceWord, s.guest.Put("a"), 1, 1}); }),
    VIOLATION(
        "ReferenceOfLongDeviceNumber",
        { return Frame(s, INSTAR_OP_OPEN_REFERENCE, {kLongDeviceWord, s.guest.Put("a"), 1, 1}); }),
    VIOLATION("ReferenceNameAtNull", { return Frame(s, INSTAR_OP_OPEN_REFERENCE, {0, 0, 1, 1}); }),
    VIOLATION("ReferenceNameInPageTables",
              { return Frame(s, INSTAR_OP_OPEN_REFERENCE, {0, FakeGuest::kBase, 8, 1}); }),
    VIOLATION("ReferenceNameTooLong",
              {
                return Frame(s, INSTAR_OP_OPEN_REFERENCE,
                             {0, s.guest.Allocate(8192), INSTAR_MAX_NAME + 1, 1});
              }),
    VIOLATION("ReferenceNameOfAllMemory",
              { return Frame(s, INSTAR_OP_OPEN_REFERENCE, {0, s.guest.Put("a"), kMax, 1}); }),
    VIOLATION("ReferenceRoleZero",
              { return Frame(s, INSTAR_OP_OPEN_REFERENCE, {0, s.guest.Put("a"), 1, 0}); }),
    VIOLATION("ReferenceRoleUnknown",
              { return Frame(s, INSTAR_OP_OPEN_REFERENCE, {0, s.guest.Put("a"), 1, 4}); }),
    VIOLATION("ReferenceRoleOfMoreThan32Bits",
              {
                return Frame(s, INSTAR_OP_OPEN_REFERENCE,
                             {0, s.guest.Put("a"), 1, (std::uint64_t{1} << 32) + 1});
              }),
    ERROR("ReferenceEmptyName", kDenied, { return s.guest.OpenReference(s.source, ""); }),
    ERROR("ReferenceByATarget", kDenied, { return s.guest.OpenReference(s.target, "source"); }),

    // RESIZE
    ERROR("ResizeUnknownDevice", kInvalidArgument,
          { return Frame(s, INSTAR_OP_RESIZE, {kNoDeviceWord, 0, 0}); }),
    VIOLATION("ResizeLongDeviceNumber",
              { return Frame(s, INSTAR_OP_RESIZE, {kLongDeviceWord + 1, 0, 0}); }),
    ERROR("ResizeASource", kDenied, { return s.guest.Resize(s.source, 0); }),
    ERROR("ResizeBeyondTheLimit", kLimit, { return s.guest.Resize(s.target, kOutputLimit + 1); }),
    ERROR("ResizeToNegative", kInvalidArgument, { return s.guest.Resize(s.target, kMax); }),
    VIOLATION("ResizeUnknownPreallocation", { return Frame(s, INSTAR_OP_RESIZE, {1, 4096, 3}); }),

    // FLUSH
    ERROR("FlushUnknownDevice", kInvalidArgument,
          { return Frame(s, INSTAR_OP_FLUSH, {kNoDeviceWord}); }),
    VIOLATION("FlushLongDeviceNumber", { return Frame(s, INSTAR_OP_FLUSH, {kLongDeviceWord}); }),
    ERROR("FlushASource", kDenied, { return s.guest.Flush(s.source); }),

    // WRITE_ROOT, RESIZE_ROOT
    ERROR(
        "RootOfUnknownDevice", kInvalidArgument,
        { return Frame(s, INSTAR_OP_WRITE_ROOT, {kNoDeviceWord, 0, s.guest.Allocate(512), 512}); }),
    VIOLATION("RootOfLongDeviceNumber",
              {
                return Frame(s, INSTAR_OP_WRITE_ROOT,
                             {kLongDeviceWord, 0, s.guest.Allocate(512), 512});
              }),
    ERROR("RootOfASource", kDenied,
          { return Frame(s, INSTAR_OP_WRITE_ROOT, {0, 0, s.guest.Allocate(512), 512}); }),
    ERROR("RootAcrossAPage", kInvalidArgument,
          { return Frame(s, INSTAR_OP_WRITE_ROOT, {1, 3585, s.guest.Allocate(512), 512}); }),
    ERROR(
        "RootBeyondTheLimit", kLimit,
        { return Frame(s, INSTAR_OP_WRITE_ROOT, {1, kOutputLimit, s.guest.Allocate(512), 512}); }),
    ERROR("RootAtTheLastOffset", kInvalidArgument,
          { return Frame(s, INSTAR_OP_WRITE_ROOT, {1, kMax - 511, s.guest.Allocate(512), 512}); }),
    VIOLATION("RootTooLong",
              {
                return Frame(s, INSTAR_OP_WRITE_ROOT,
                             {1, 0, s.guest.Allocate(8192), INSTAR_MAX_ROOT + 1});
              }),
    VIOLATION("RootOfNothing",
              { return Frame(s, INSTAR_OP_WRITE_ROOT, {1, 0, s.guest.Allocate(512), 0}); }),
    VIOLATION("RootAtNull", { return Frame(s, INSTAR_OP_WRITE_ROOT, {1, 0, 0, 512}); }),
    VIOLATION("RootAcrossTheEndOfMemory",
              { return Frame(s, INSTAR_OP_WRITE_ROOT, {1, 0, FakeGuest::kEnd - 511, 512}); }),
    ERROR("RootLengthOfASource", kDenied, { return Frame(s, INSTAR_OP_RESIZE_ROOT, {0, 0, 0}); }),
    ERROR("RootLengthBeyondTheLimit", kLimit,
          { return Frame(s, INSTAR_OP_RESIZE_ROOT, {1, kOutputLimit + 1, 0}); }),
    VIOLATION("RootLengthUnknownPreallocation",
              { return Frame(s, INSTAR_OP_RESIZE_ROOT, {1, 4096, 3}); }),

    // READ
    VIOLATION("ReadListAtNull", { return Frame(s, INSTAR_OP_READ, {0, 1}); }),
    VIOLATION("ReadListAcrossTheEnd",
              { return Frame(s, INSTAR_OP_READ, {FakeGuest::kEnd - 31, 1}); }),
    VIOLATION("ReadListInPageTables", { return Frame(s, INSTAR_OP_READ, {FakeGuest::kBase, 1}); }),
    VIOLATION(
        "ReadListTooLong",
        { return Frame(s, INSTAR_OP_READ, {FakeGuest::kWritableFrom, INSTAR_MAX_LIST + 1}); }),
    VIOLATION("ReadListWhoseSizeOverflows",
              {
                return Frame(s, INSTAR_OP_READ,
                             {FakeGuest::kWritableFrom, (std::uint64_t{1} << 59) + 1});
              }),
    ERROR("ReadUnknownDevice", kInvalidArgument,
          { return SendIo(s, INSTAR_OP_READ, [](instar_io& io) { io.device = 0xFFFFFFFF; }); }),
    VIOLATION("ReadToNull",
              { return SendIo(s, INSTAR_OP_READ, [](instar_io& io) { io.data = nullptr; }); }),
    VIOLATION("ReadToReadOnlyMemory",
              {
                return SendIo(s, INSTAR_OP_READ, [](instar_io& io) {
                  io.data = reinterpret_cast<void*>(FakeGuest::kReadableFrom);
                });
              }),
    VIOLATION("ReadAcrossTheStartOfWritableMemory",
              {
                return SendIo(s, INSTAR_OP_READ, [](instar_io& io) {
                  io.data = reinterpret_cast<void*>(FakeGuest::kWritableFrom - 1);
                });
              }),
    VIOLATION("ReadMoreThanMemory",
              { return SendIo(s, INSTAR_OP_READ, [](instar_io& io) { io.length = kMax; }); }),
    ERROR("ReadAtNegativeOffset", kInvalidArgument,
          { return SendIo(s, INSTAR_OP_READ, [](instar_io& io) { io.offset = kMax; }); }),
    ERROR(
        "ReadWhoseEndOverflows", kInvalidArgument,
        { return SendIo(s, INSTAR_OP_READ, [](instar_io& io) { io.offset = INT64_MAX - 100; }); }),
    VIOLATION("ReadMoreThanOneCallMay",
              {
                const instar_io io =
                    FakeGuest::Entry(s.source, 0, s.guest.Allocate(1 << 20), 1 << 20);
                return s.guest.Io(INSTAR_OP_READ, std::vector<instar_io>(1025, io));
              }),

    // WRITE
    VIOLATION("WriteListAtNull", { return Frame(s, INSTAR_OP_WRITE, {0, 1}); }),
    VIOLATION(
        "WriteListTooLong",
        { return Frame(s, INSTAR_OP_WRITE, {FakeGuest::kWritableFrom, INSTAR_MAX_LIST + 1}); }),
    ERROR("WriteUnknownDevice", kInvalidArgument,
          { return SendIo(s, INSTAR_OP_WRITE, [](instar_io& io) { io.device = 9; }); }),
    ERROR("WriteToASource", kDenied,
          { return SendIo(s, INSTAR_OP_WRITE, [](instar_io& io) { io.device = 0; }); }),
    VIOLATION("WriteFromNull",
              { return SendIo(s, INSTAR_OP_WRITE, [](instar_io& io) { io.data = nullptr; }); }),
    VIOLATION("WriteFromPageTables",
              {
                return SendIo(s, INSTAR_OP_WRITE, [](instar_io& io) {
                  io.data = reinterpret_cast<void*>(FakeGuest::kBase);
                });
              }),
    VIOLATION("WriteFromBeyondTheEnd",
              {
                return SendIo(s, INSTAR_OP_WRITE, [](instar_io& io) {
                  io.data = reinterpret_cast<void*>(FakeGuest::kEnd);
                });
              }),
    ERROR("WriteAtNegativeOffset", kInvalidArgument,
          { return SendIo(s, INSTAR_OP_WRITE, [](instar_io& io) { io.offset = kMax - 512; }); }),
    ERROR("WriteBeyondTheLimit", kLimit,
          {
            return SendIo(s, INSTAR_OP_WRITE,
                          [](instar_io& io) { io.offset = kOutputLimit - 511; });
          }),

    // TRANSFER
    VIOLATION("TransferListAtNull", { return Frame(s, INSTAR_OP_TRANSFER, {0, 1}); }),
    VIOLATION(
        "TransferListTooLong",
        { return Frame(s, INSTAR_OP_TRANSFER, {FakeGuest::kWritableFrom, INSTAR_MAX_LIST + 1}); }),
    VIOLATION("TransferOfKindZero",
              { return SendCopy(s, [](instar_transfer& t) { t.kind = 0; }); }),
    VIOLATION("TransferOfUnknownKind",
              { return SendCopy(s, [](instar_transfer& t) { t.kind = 5; }); }),
    ERROR("TransferFromUnknownDevice", kInvalidArgument,
          { return SendCopy(s, [](instar_transfer& t) { t.source = 5; }); }),
    ERROR("TransferToUnknownDevice", kInvalidArgument,
          { return SendCopy(s, [](instar_transfer& t) { t.target = 0xFFFFFFFF; }); }),
    ERROR("TransferToASource", kDenied,
          { return SendCopy(s, [](instar_transfer& t) { t.target = 0; }); }),
    ERROR("ZeroOfASource", kDenied,
          {
            return SendCopy(s, [](instar_transfer& t) {
              t.kind = INSTAR_TRANSFER_ZERO;
              t.target = 0;
            });
          }),
    ERROR("DiscardOfASource", kDenied,
          {
            return SendCopy(s, [](instar_transfer& t) {
              t.kind = INSTAR_TRANSFER_DISCARD;
              t.target = 0;
            });
          }),
    ERROR("TransferFromNegativeOffset", kInvalidArgument,
          { return SendCopy(s, [](instar_transfer& t) { t.source_offset = kMax; }); }),
    ERROR("TransferToNegativeOffset", kInvalidArgument,
          { return SendCopy(s, [](instar_transfer& t) { t.target_offset = kMax; }); }),
    ERROR("TransferOfNegativeLength", kInvalidArgument,
          { return SendCopy(s, [](instar_transfer& t) { t.length = kMax; }); }),
    ERROR("TransferWhoseEndOverflows", kInvalidArgument,
          { return SendCopy(s, [](instar_transfer& t) { t.target_offset = INT64_MAX - 4095; }); }),
    ERROR("TransferBeyondTheLimit", kLimit,
          { return SendCopy(s, [](instar_transfer& t) { t.length = kOutputLimit + 1; }); }),
    ERROR("ZeroBeyondTheLimit", kLimit,
          {
            return SendCopy(s, [](instar_transfer& t) {
              t.kind = INSTAR_TRANSFER_ZERO;
              t.target_offset = kOutputLimit;
            });
          }),
    ERROR(
        "SparseWithoutUnit", kInvalidArgument,
        { return SendCopy(s, [](instar_transfer& t) { t.kind = INSTAR_TRANSFER_COPY_SPARSE; }); }),
    ERROR("SparseWithOddUnit", kInvalidArgument,
          {
            return SendCopy(s, [](instar_transfer& t) {
              t.kind = INSTAR_TRANSFER_COPY_SPARSE;
              t.zero_run_bytes = 4097;
            });
          }),
    ERROR("SparseWithSmallUnit", kInvalidArgument,
          {
            return SendCopy(s, [](instar_transfer& t) {
              t.kind = INSTAR_TRANSFER_COPY_SPARSE;
              t.zero_run_bytes = 256;
            });
          }),
    ERROR("SparseWithHugeUnit", kInvalidArgument,
          {
            return SendCopy(s, [](instar_transfer& t) {
              t.kind = INSTAR_TRANSFER_COPY_SPARSE;
              t.zero_run_bytes = 1u << 31;
            });
          }),

    // SCAN_ZERO
    VIOLATION("ScanListAtNull",
              { return Frame(s, INSTAR_OP_SCAN_ZERO, {0, 1, 512, s.guest.Allocate(8), 1}); }),
    VIOLATION("ScanListTooLong",
              {
                return Frame(
                    s, INSTAR_OP_SCAN_ZERO,
                    {FakeGuest::kWritableFrom, INSTAR_MAX_LIST + 1, 512, s.guest.Allocate(8), 1});
              }),
    VIOLATION("ScanBitmapAtNull",
              {
                const instar_range range = Range(s, 0, 512);
                return Frame(s, INSTAR_OP_SCAN_ZERO,
                             {s.guest.Put(std::span(&range, 1)), 1, 512, 0, 1});
              }),
    VIOLATION("ScanBitmapInReadOnlyMemory",
              {
                const instar_range range = Range(s, 0, 512);
                return Frame(
                    s, INSTAR_OP_SCAN_ZERO,
                    {s.guest.Put(std::span(&range, 1)), 1, 512, FakeGuest::kReadableFrom, 1});
              }),
    VIOLATION("ScanBitmapWhoseSizeOverflows",
              { return SendScan(s, Range(s, 0, 512), 512, (std::uint64_t{1} << 61) + 1); }),
    VIOLATION("ScanBitmapLargerThanMemory",
              { return SendScan(s, Range(s, 0, 512), 512, FakeGuest::kBytes / 8); }),
    ERROR("ScanWithUnitZero", kInvalidArgument, { return SendScan(s, Range(s, 0, 512), 0, 1); }),
    ERROR("ScanWithHugeUnit", kInvalidArgument, { return SendScan(s, Range(s, 0, 512), kMax, 1); }),
    ERROR("ScanWithBitmapTooSmall", kInvalidArgument,
          { return SendScan(s, Range(s, 0, 65 * 512), 512, 1); }),
    ERROR("ScanUnknownDevice", kInvalidArgument,
          {
            instar_range range = Range(s, 0, 512);
            range.device = 3;
            return SendScan(s, range, 512, 1);
          }),
    ERROR("ScanWhoseEndOverflows", kInvalidArgument,
          { return SendScan(s, Range(s, kMax - 100, 512), 512, 1); }),
    VIOLATION(
        "ScanMoreThanOneCallMay",
        { return SendScan(s, Range(s, 0, std::uint64_t{17} << 30), std::uint64_t{1} << 30, 1); }),

    // NEXT_RUNS
    ERROR("RunOfUnknownDevice", kInvalidArgument,
          {
            return Frame(s, INSTAR_OP_NEXT_RUNS, {kNoDeviceWord, 0, 1, 1, s.guest.Allocate(16), 1});
          }),
    VIOLATION("RunOfLongDeviceNumber",
              {
                return Frame(s, INSTAR_OP_NEXT_RUNS,
                             {kLongDeviceWord, 0, 1, 1, s.guest.Allocate(16), 1});
              }),
    VIOLATION("RunToNull", { return Frame(s, INSTAR_OP_NEXT_RUNS, {0, 0, 1, 1, 0, 1}); }),
    VIOLATION("RunToReadOnlyMemory",
              { return Frame(s, INSTAR_OP_NEXT_RUNS, {0, 0, 1, 1, FakeGuest::kReadableFrom, 1}); }),
    ERROR("RunOfNoLength", kInvalidArgument,
          { return Frame(s, INSTAR_OP_NEXT_RUNS, {0, 0, 0, 1, s.guest.Allocate(16), 1}); }),
    ERROR("RunAtNegativeOffset", kInvalidArgument,
          { return Frame(s, INSTAR_OP_NEXT_RUNS, {0, kMax, 1, 1, s.guest.Allocate(16), 1}); }),
    ERROR("RunInUnitsOfThree", kInvalidArgument,
          { return Frame(s, INSTAR_OP_NEXT_RUNS, {0, 0, 1, 3, s.guest.Allocate(16), 1}); }),
    ERROR("RunInUnitsOfNothing", kInvalidArgument,
          { return Frame(s, INSTAR_OP_NEXT_RUNS, {0, 0, 1, 0, s.guest.Allocate(16), 1}); }),

    // COMPARE
    VIOLATION("CompareWithNull",
              {
                const instar_range range = Range(s, 0, 512);
                return Frame(s, INSTAR_OP_COMPARE, {s.guest.Put(std::span(&range, 1)), 0});
              }),
    VIOLATION("CompareOfNull",
              {
                const instar_range range = Range(s, 0, 512);
                return Frame(s, INSTAR_OP_COMPARE, {0, s.guest.Put(std::span(&range, 1))});
              }),
    ERROR("CompareOfDifferentLengths", kInvalidArgument,
          { return SendCompare(s, Range(s, 0, 512), Range(s, 0, 513)); }),
    ERROR("CompareWhoseEndOverflows", kInvalidArgument,
          { return SendCompare(s, Range(s, 0, kMax), Range(s, 0, kMax)); }),
    VIOLATION("CompareMoreThanOneCallMay",
              {
                return SendCompare(s, Range(s, 0, std::uint64_t{1} << 40),
                                   Range(s, 0, std::uint64_t{1} << 40));
              }),
    ERROR("CompareOfUnknownDevice", kInvalidArgument,
          {
            instar_range range = Range(s, 0, 512);
            range.device = 1000;
            return SendCompare(s, Range(s, 0, 512), range);
          }),

    // EMIT
    VIOLATION("EmitFromNull", { return Frame(s, INSTAR_OP_EMIT, {0, 8}); }),
    VIOLATION("EmitFromPageTables", { return Frame(s, INSTAR_OP_EMIT, {FakeGuest::kBase, 8}); }),
    VIOLATION(
        "EmitTooLong",
        { return Frame(s, INSTAR_OP_EMIT, {FakeGuest::kWritableFrom, INSTAR_MAX_EMIT + 1}); }),
    VIOLATION("EmitOfAllMemory",
              { return Frame(s, INSTAR_OP_EMIT, {FakeGuest::kWritableFrom, kMax}); }),
    VIOLATION("EmitOfNoRecords",
              { return Frame(s, INSTAR_OP_EMIT, {s.guest.Put("garbage!"), 8}); }),
    VIOLATION("EmitOfHalfARecord", { return Frame(s, INSTAR_OP_EMIT, {s.guest.Put("1234"), 4}); }),
};

class ForgedRequest : public testing::TestWithParam<Forgery> {};

TEST_P(ForgedRequest, IsRefusedAndChangesNothing) {
  Scene scene;
  ASSERT_EQ(scene.guest.Write(scene.target, 0, "target").result, 0);
  const CallResult result = GetParam().send(scene);

  ASSERT_LT(result.result, 0);
  EXPECT_EQ(CodeOf(result), GetParam().code);
  EXPECT_EQ(scene.broker.violation() != nullptr, GetParam().expect == Expect::kViolation)
      << (scene.broker.violation() == nullptr ? "no violation" : scene.broker.violation());
  EXPECT_EQ(ReadWholeFile(scene.directory / "source"), std::string(kSourceBytes, 's'));
  EXPECT_EQ(ReadWholeFile(scene.directory / "target"), "target");
  std::string text;
  EXPECT_EQ(scene.guest.Read(scene.source, 0, 3, &text).result, 0);
  EXPECT_EQ(text, "sss");
}

INSTANTIATE_TEST_SUITE_P(EveryField, ForgedRequest, testing::ValuesIn(kForgeries),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ForgedRequest, OneBadEntryOfAListIsFoundBeforeAnythingIsDone) {
  Scene scene;
  const instar_transfer good = GoodCopy(scene);
  instar_transfer bad = good;
  bad.kind = 99;
  EXPECT_LT(scene.guest.Transfer({good, good, bad}).result, 0);
  EXPECT_EQ(ReadWholeFile(scene.directory / "target"), "");
}

TEST(ForgedRequest, WritingTheSameBytesAgainIsNoProgress) {
  Scene scene;
  instar_transfer step = GoodCopy(scene);
  step.length = 1 << 20;
  for (int i = 0; i < 4; ++i) scene.guest.Transfer({step});
  EXPECT_EQ(scene.broker.work_done(0).moved, 4u << 20);
  EXPECT_EQ(scene.broker.work_done(0).fresh, 1u << 20);
}

TEST(ForgedRequest, CopiesOfMoreThanOneCallMayMoveAreAViolation) {
  Scene scene;
  instar_transfer step = GoodCopy(scene);
  step.length = std::uint64_t{1} << 40;
  EXPECT_LT(scene.guest.Transfer({step}).result, 0);
  EXPECT_NE(scene.broker.violation(), nullptr);
}

// A target of 1 MiB in a run whose disks have no more.
class BoundedDisk : public testing::Test {
 protected:
  instar_transfer Step(std::uint32_t kind, std::uint64_t offset, std::uint64_t length) const {
    return {.kind = kind,
            .source = 0,
            .target = static_cast<std::uint32_t>(target_),
            .zero_run_bytes = 0,
            .source_offset = 0,
            .target_offset = offset,
            .length = length};
  }
  TemporaryDirectory directory_;
  Broker broker_{{.max_disk_file_bytes = 1 << 20}};
  FakeGuest guest_{broker_};
  DeviceId target_ = broker_.OpenTarget(directory_ / "target", {}).value();
};

TEST_F(BoundedDisk, NothingMakesATargetLongerThanADiskNeeds) {
  constexpr std::uint64_t kEnd = 1 << 20;
  EXPECT_EQ(CodeOf(guest_.Write(target_, kEnd, "x")), ErrorCode::kLimit);
  EXPECT_EQ(CodeOf(guest_.Resize(target_, kEnd + 1)), ErrorCode::kLimit);
  for (const std::uint32_t kind : {INSTAR_TRANSFER_ZERO, INSTAR_TRANSFER_DISCARD}) {
    EXPECT_EQ(CodeOf(guest_.Transfer({Step(kind, kEnd - 1, 2)})), ErrorCode::kLimit);
    EXPECT_EQ(CodeOf(guest_.Transfer({Step(kind, std::uint64_t{1} << 62, 1)})), ErrorCode::kLimit);
  }
  EXPECT_EQ(guest_.Write(target_, kEnd - 1, "x").result, 0);
  EXPECT_NE(broker_.host_failure().find("--max-virtual-size"), std::string::npos);
}

TEST_F(BoundedDisk, MoreZeroingThanADiskHasIsAViolation) {
  const instar_transfer all = Step(INSTAR_TRANSFER_ZERO, 0, 1 << 20);
  EXPECT_EQ(guest_.Transfer({all}).result, 0);
  EXPECT_LT(guest_.Transfer({all, all}).result, 0);
  EXPECT_NE(broker_.violation(), nullptr);
}

TEST(KeptTarget, MayBeAsLongAsItIs) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("target", std::string(1 << 20, 't'));
  Broker broker({.max_disk_file_bytes = 1 << 16});
  FakeGuest guest(broker);
  const DeviceId target = broker.OpenTarget(path, {.keep = true}).value();
  EXPECT_EQ(guest.Write(target, (1 << 20) - 1, "x").result, 0);
  EXPECT_EQ(CodeOf(guest.Write(target, 1 << 20, "x")), ErrorCode::kLimit);
}

TEST(ForgedRequest, AChainOfMoreImagesThanAllowedIsRefused) {
  const TemporaryDirectory directory;
  for (const char* name : {"a", "b", "c"}) directory.Write(name, "image");
  Broker broker({.max_chain_depth = 2});
  FakeGuest guest(broker);
  const DeviceId top = broker.OpenSource(directory / "a", {}).value();
  ASSERT_TRUE(broker.AllowReferences({}).ok());
  const CallResult second = guest.OpenReference(top, "b");
  ASSERT_GE(second.result, 0);
  const DeviceId below{static_cast<std::uint32_t>(second.result)};
  EXPECT_EQ(CodeOf(guest.OpenReference(below, "c")), ErrorCode::kLimit);
  EXPECT_GE(guest.OpenReference(below, "c", ReferenceRole::kExtent).result, 0);
}

TEST(ForgedRequest, ReadingMoreThanThereIsIsNoProgress) {
  Scene scene;
  const std::uint64_t bytes = 1 << 20;
  const instar_io io = FakeGuest::Entry(scene.source, 0, scene.guest.Allocate(bytes), bytes);
  const std::vector<instar_io> much(128, io);
  EXPECT_EQ(scene.guest.Io(INSTAR_OP_READ, much).result, 0);
  EXPECT_LE(scene.broker.work_done(0).fresh, WorkLedger::kFreeBytes + 2 * kSourceBytes + 8192);
  EXPECT_EQ(scene.broker.work_done(0).moved, 128 * bytes);
}

TEST(ForgedRequest, WhatTheGuestSaysOfItsProgressShowsNothing) {
  Scene scene;
  std::uint64_t told = 0;
  scene.broker.set_progress([&](std::uint64_t, std::uint64_t) { ++told; });
  for (int i = 0; i < 1000; ++i) Frame(scene, INSTAR_OP_PROGRESS, {50, 100});
  EXPECT_EQ(told, 1u);
  EXPECT_LE(scene.broker.work_done(0).fresh, 1u);
}

TEST(ForgedRequest, NothingIsDoneForARunThatHasEnded) {
  Scene scene;
  scene.broker.Stop();
  EXPECT_LT(scene.guest.Write(scene.target, 0, "x").result, 0);
  EXPECT_LT(scene.guest.Transfer({GoodCopy(scene)}).result, 0);
  EXPECT_EQ(ReadWholeFile(scene.directory / "target"), "");
}

}  // namespace
}  // namespace instar::vmm
