#include "formats/qcow2/read/description.h"

#include "formats/luks/header.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::qcow2 {
namespace {

class SnapshotDescriber final : public SnapshotVisitor {
 public:
  explicit SnapshotDescriber(ReportSink& sink) : sink_(sink) {}

  bool Visit(const SnapshotEntry& entry, std::string_view id, std::string_view name) override {
    constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
    sink_.BeginObject("");
    if (entry.icount) Count("icount", *entry.icount);
    sink_.Unsigned("vm-clock-nsec", entry.vm_clock_nanoseconds % kNanosecondsPerSecond);
    sink_.String("name", UpToNul(name));
    sink_.Unsigned("date-sec", entry.date_seconds);
    sink_.Unsigned("date-nsec", entry.date_nanoseconds);
    sink_.Unsigned("vm-clock-sec", entry.vm_clock_nanoseconds / kNanosecondsPerSecond);
    sink_.String("id", UpToNul(id));
    Count("vm-state-size", entry.vm_state_bytes);
    sink_.EndObject();
    return true;
  }

 private:
  // qemu-img takes these for signed.
  void Count(std::string_view key, std::uint64_t value) {
    const auto as_signed = static_cast<std::int64_t>(value);
    if (as_signed < 0) {
      sink_.Signed(key, as_signed);
    } else {
      sink_.Unsigned(key, value);
    }
  }

  ReportSink& sink_;
};

class BitmapDescriber final : public BitmapVisitor {
 public:
  explicit BitmapDescriber(ReportSink& sink) : sink_(sink) {}

  void Visit(const BitmapEntry& entry, std::string_view name) override {
    sink_.BeginObject("");
    sink_.BeginArray("flags");
    if ((entry.flags & kBitmapInUse) != 0) sink_.String("", "in-use");
    if ((entry.flags & kBitmapAuto) != 0) sink_.String("", "auto");
    sink_.EndArray();
    sink_.String("name", UpToNul(name));
    sink_.Unsigned("granularity", std::uint64_t{1} << entry.granularity_bits);
    sink_.EndObject();
  }

 private:
  ReportSink& sink_;
};

Status DescribeEncryption(const BlockDevice& device, const Header& header,
                          const HeaderExtensions& extensions, ReportSink& sink) {
  sink.BeginObject("encrypt");
  if (header.crypt_method == kCryptAes) {
    sink.String("format", "aes");
  } else {
    if (!extensions.encryption) return Corrupt("the image is encrypted, but has no LUKS header");
    INSTAR_ASSIGN_OR_RETURN(const luks::Header luks,
                            luks::Header::ReadFrom(device, extensions.encryption->offset));
    luks.Describe(sink);
  }
  sink.EndObject();
  return {};
}

Status DescribeData(const BlockDevice& device, const Header& header,
                    const HeaderExtensions& extensions, ReportSink& sink) {
  const bool version3 = header.version >= 3;
  sink.String("compat", version3 ? "1.1" : "0.10");
  sink.String("compression-type", header.compression_type == kCompressionZstd ? "zstd" : "zlib");
  if (version3) {
    sink.Boolean("lazy-refcounts", (header.compatible_features & kCompatLazyRefcounts) != 0);
    if (extensions.bitmaps) {
      sink.BeginArray("bitmaps");
      BitmapDescriber describer(sink);
      INSTAR_TRY(VisitBitmaps(device, *extensions.bitmaps, describer));
      sink.EndArray();
    }
  }
  sink.Unsigned("refcount-bits", std::uint64_t{1} << header.refcount_order);
  if (header.has_data_file() && extensions.data_file_name) {
    const auto& name = *extensions.data_file_name;
    sink.String("data-file", UpToNul({name.data(), name.size()}));
  }
  if (header.crypt_method != kCryptNone) {
    INSTAR_TRY(DescribeEncryption(device, header, extensions, sink));
  }
  if (header.has_data_file()) sink.Boolean("data-file-raw", header.data_file_is_raw());
  if (version3) {
    sink.Boolean("corrupt", (header.incompatible_features & kIncompatCorrupt) != 0);
    sink.Boolean("extended-l2", header.extended_l2());
  }
  return {};
}

}  // namespace

Status Describe(const BlockDevice& device, const Header& header, const HeaderExtensions& extensions,
                ReportSink& sink) {
  // The format has no snapshots of data files; what such an image claims of any is not told.
  if (header.snapshot_count != 0 && !header.has_data_file()) {
    sink.BeginArray("snapshots");
    SnapshotDescriber describer(sink);
    INSTAR_TRY(VisitSnapshots(device, header, describer));
    sink.EndArray();
  }
  sink.BeginObject("format-specific");
  sink.String("type", "qcow2");
  sink.BeginObject("data");
  INSTAR_TRY(DescribeData(device, header, extensions, sink));
  sink.EndObject();
  sink.EndObject();
  if (header.crypt_method != kCryptNone) sink.Boolean("encrypted", true);
  sink.Boolean("dirty-flag", (header.incompatible_features & kIncompatDirty) != 0);
  return {};
}

}  // namespace instar::qcow2
