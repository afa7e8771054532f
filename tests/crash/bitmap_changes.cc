#include "crash/bitmap_changes.h"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "formats/base/create_options.h"
#include "formats/bitmap.h"
#include "formats/create.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/header.h"
#include "formats/qcow2/structures/header_extensions.h"

namespace instar::crash {
namespace {

constexpr DeviceId kOtherId{4};
constexpr char kOtherBitmap[] = "from";

// Names of bitmaps that an image has, whatever they are called.
constexpr char kFirst[] = "<first>";
constexpr char kLast[] = "<last>";

struct Wish {
  std::string name;
  std::vector<std::pair<BitmapOperation, std::string>> actions;  // with the source of a merge
  bool fine = false;        // -g 512, where the disk is small enough for that
  bool from_other = false;  // merges bitmaps of another image
};

// An image with a disk of so many bytes, and a bitmap in it.
struct OtherImage {
  SparseFile file;
  BitmapFacts bitmap;
};

// Bits of 512 bytes, or of 64 KiB where the disk is large.
unsigned FineBits(std::uint64_t disk_bytes) { return disk_bytes > (1 << 30) ? 16 : 9; }

class EntryOf final : public qcow2::BitmapVisitor {
 public:
  void Visit(const qcow2::BitmapEntry& found, std::string_view) override { entry = found; }
  qcow2::BitmapEntry entry;
};

// Every third bit of the first cluster of bits, but for a run of them.
Result<OtherImage> MakeOther(std::uint64_t disk_bytes) {
  Recording recording;
  CrashDevice device(SparseFile(), kOtherId, recording);
  const auto options = CreateOptionList::Read(FormatId::kQcow2, "cluster_size=4k");
  INSTAR_ASSIGN_OR_RETURN(const auto writer, CreateImage({.format = FormatId::kQcow2,
                                                          .virtual_size_bytes = disk_bytes,
                                                          .options = options->settings(),
                                                          .target = &device}));
  INSTAR_TRY(writer->Begin());
  INSTAR_TRY(writer->Finish());
  OtherImage other;
  other.bitmap = {
      .name = kOtherBitmap, .flags = qcow2::kBitmapAuto, .granularity_bits = FineBits(disk_bytes)};
  const BitmapAction add{BitmapOperation::kAdd};
  INSTAR_TRY(ChangeBitmaps({.format = FormatId::kQcow2,
                            .device = &device,
                            .name = kOtherBitmap,
                            .actions = {&add, 1},
                            .granularity_bytes = 1ULL << other.bitmap.granularity_bits}));
  other.file = device.file();
  ReadWindow file(device, 4096);
  INSTAR_ASSIGN_OR_RETURN(const auto bytes, file.View(0, qcow2::Header::kFullBytes));
  INSTAR_ASSIGN_OR_RETURN(const auto header, qcow2::Header::DecodeFrom(bytes));
  INSTAR_ASSIGN_OR_RETURN(const auto extensions, qcow2::HeaderExtensions::ReadFrom(file, header));
  EntryOf found;
  INSTAR_TRY(qcow2::VisitBitmaps(device, *extensions.bitmaps, found));
  const std::uint64_t place = (other.file.size_bytes() + header.cluster_bytes() - 1) /
                              header.cluster_bytes() * header.cluster_bytes();
  std::vector<std::byte> bits(header.cluster_bytes());
  const std::uint64_t count = std::min<std::uint64_t>(
      qcow2::BitmapBits(disk_bytes, other.bitmap.granularity_bits), bits.size() * 8);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i % 3 != 0 && (i < 40 || i > 90)) continue;
    bits[i / 8] |= std::byte{1} << i % 8;
    other.bitmap.set.push_back(i);
  }
  std::vector<std::byte> entry(8);
  StoreBe64(entry, 0, place);
  other.file.Write(found.entry.table_offset, entry);
  other.file.Write(place, bits);
  return other;
}

const OtherImage& Other(std::uint64_t disk_bytes) {
  static std::map<std::uint64_t, OtherImage> made;
  const auto at = made.find(disk_bytes);
  if (at != made.end()) return at->second;
  return made.emplace(disk_bytes, MakeOther(disk_bytes).value()).first->second;
}

// `to` with the bits of `from`.
void Join(BitmapFacts& to, const BitmapFacts& from, std::uint64_t disk_bytes) {
  std::set<std::uint64_t> set(to.set.begin(), to.set.end());
  const std::uint64_t bits = qcow2::BitmapBits(disk_bytes, to.granularity_bits);
  for (const std::uint64_t bit : from.set) {
    const std::uint64_t begin = bit << from.granularity_bits;
    const std::uint64_t end = begin + (std::uint64_t{1} << from.granularity_bits);
    const std::uint64_t unit = std::uint64_t{1} << to.granularity_bits;
    for (std::uint64_t i = begin / unit; i < bits && i * unit < end; ++i) set.insert(i);
  }
  to.set.assign(set.begin(), set.end());
}

// What the actions make of the bitmaps of an image; nothing where one cannot be done.
class Model {
 public:
  Model(const ImageFacts& before, const Wish& wish)
      : facts_(before), wish_(wish), name_(wish.name) {}

  std::optional<ImageFacts> Run() {
    const std::vector<BitmapFacts> before = facts_.bitmaps;
    for (const auto& [operation, source] : wish_.actions) {
      if (!Do(operation, source)) return std::nullopt;
    }
    if (facts_.bitmaps == before) return std::nullopt;
    facts_.format.autoclear_features &= ~qcow2::kAutoclearBitmaps;
    if (!facts_.bitmaps.empty()) facts_.format.autoclear_features |= qcow2::kAutoclearBitmaps;
    return facts_;
  }

 private:
  [[nodiscard]] auto Find(std::string_view name) {
    return std::ranges::find(facts_.bitmaps, name, &BitmapFacts::name);
  }
  static bool IsUsable(const BitmapFacts& bitmap) {
    return (bitmap.flags & qcow2::kBitmapInUse) == 0;
  }
  bool Add();
  bool Do(BitmapOperation operation, const std::string& source);
  bool Merge(BitmapFacts& bitmap, const std::string& source);

  ImageFacts facts_;
  const Wish& wish_;
  const std::string name_;
};

bool Model::Add() {
  if (Find(name_) != facts_.bitmaps.end()) return false;
  const std::uint64_t cluster = std::uint64_t{1} << facts_.format.cluster_bits;
  const std::uint64_t usual = std::clamp<std::uint64_t>(cluster, 4096, 65536);
  facts_.bitmaps.push_back(
      {.name = name_,
       .flags = qcow2::kBitmapAuto,
       .granularity_bits = wish_.fine ? FineBits(facts_.disk.size_bytes())
                                      : static_cast<unsigned>(std::countr_zero(usual))});
  return true;
}

bool Model::Merge(BitmapFacts& bitmap, const std::string& source) {
  const std::uint64_t bytes = facts_.disk.size_bytes();
  if (wish_.from_other) {
    Join(bitmap, Other(bytes).bitmap, bytes);
    return true;
  }
  const auto from = Find(source);
  if (from == facts_.bitmaps.end() || !IsUsable(*from)) return false;
  Join(bitmap, BitmapFacts(*from), bytes);
  return true;
}

bool Model::Do(BitmapOperation operation, const std::string& source) {
  if (operation == BitmapOperation::kAdd) return Add();
  if (operation == BitmapOperation::kRemoveAll) {
    facts_.bitmaps.clear();
    return true;
  }
  const auto at = Find(name_);
  if (at == facts_.bitmaps.end()) return false;
  if (operation == BitmapOperation::kRemove) {
    facts_.bitmaps.erase(at);
    return true;
  }
  if (!IsUsable(*at)) return false;
  switch (operation) {
    case BitmapOperation::kClear:
      at->set.clear();
      return true;
    case BitmapOperation::kEnable:
      at->flags |= qcow2::kBitmapAuto;
      return true;
    case BitmapOperation::kDisable:
      at->flags &= ~qcow2::kBitmapAuto;
      return true;
    default:
      return Merge(*at, source);
  }
}

Status ChangeFiles(OpenFiles& files, const Wish& wish, std::uint64_t disk_bytes) {
  std::vector<BitmapAction> actions;
  for (const auto& [operation, source] : wish.actions) actions.push_back({operation, source});
  BitmapOptions options{
      .format = files.format(), .device = &files.image(), .name = wish.name, .actions = actions};
  if (wish.fine) options.granularity_bytes = 1ULL << FineBits(disk_bytes);
  if (!wish.from_other) return ChangeBitmaps(options);
  const ReadOnlyDevice other(Other(disk_bytes).file, kOtherId);
  options.source = &other;
  options.source_format = FormatId::kQcow2;
  return ChangeBitmaps(options);
}

// The wish with the names that the image has; nothing if it has none.
std::optional<Wish> Named(Wish wish, const ImageFacts& before) {
  const auto replace = [&](std::string& name) {
    if (name != kFirst && name != kLast) return true;
    if (before.bitmaps.empty()) return false;
    name = (name == kFirst ? before.bitmaps.front() : before.bitmaps.back()).name;
    return true;
  };
  if (!replace(wish.name)) return std::nullopt;
  for (auto& [operation, source] : wish.actions) {
    if (!replace(source)) return std::nullopt;
  }
  return wish;
}

std::optional<PlannedChange> Plan(const Wish& general, const ImageFacts& before) {
  if (before.format.version < 3 || before.disk.size_bytes() == 0) return std::nullopt;
  std::optional<Wish> wish = Named(general, before);
  if (!wish) return std::nullopt;
  std::optional<ImageFacts> after = Model(before, *wish).Run();
  if (!after) return std::nullopt;
  return PlannedChange{.after = *std::move(after),
                       .run = [wish = *std::move(wish), bytes = before.disk.size_bytes()](
                                  OpenFiles& files) { return ChangeFiles(files, wish, bytes); }};
}

bool MayBeRefused(const ImageRecipe& recipe, const Error& error) {
  if (error.code == ErrorCode::kNoSpace) return recipe.disk_clusters_behind != 0;
  // A long name of a backing file leaves no room for the bitmaps in a short header.
  return error.code == ErrorCode::kLimit && recipe.cluster_bits <= 11;
}

std::string TextOf(const Wish& wish) {
  static constexpr const char* kNames[] = {"add",     "remove", "clear",     "enable",
                                           "disable", "merge",  "remove-all"};
  std::string text = "bitmap";
  for (const auto& [operation, source] : wish.actions) {
    absl::StrAppend(&text, " --", kNames[static_cast<unsigned>(operation)]);
    if (!source.empty()) absl::StrAppend(&text, " ", source);
  }
  if (wish.fine) text += " -g 512";
  if (wish.from_other) text += " -b other";
  if (wish.name.empty()) return text;
  return absl::StrCat(text, " ", wish.name.substr(0, 10), wish.name.size() > 10 ? "..." : "");
}

Change Bitmap(const Wish& wish) {
  return {.name = TextOf(wish),
          .plan = [wish](const ImageRecipe& recipe,
                         const ImageFacts& before) -> std::optional<PlannedChange> {
            if (recipe.format != FormatId::kQcow2) return std::nullopt;
            return Plan(wish, before);
          },
          .may_be_refused = MayBeRefused};
}

using enum BitmapOperation;

std::vector<Change> LastChanges() {
  std::vector<Change> changes;
  const std::pair<BitmapOperation, std::string> from{kMerge, kOtherBitmap};
  for (const Wish& wish : {
           Wish{.name = "x", .actions = {{kAdd, ""}}},
           Wish{.name = "x", .actions = {{kAdd, ""}, {kDisable, ""}}, .fine = true},
           Wish{.name = std::string(1023, 'n'), .actions = {{kAdd, ""}}},
           Wish{.name = "x", .actions = {{kAdd, ""}, from}, .fine = true, .from_other = true},
           Wish{.name = "x",
                .actions = {{kAdd, ""}, {kMerge, kFirst}, {kMerge, kLast}, {kDisable, ""}}},
           Wish{.name = kFirst, .actions = {{kRemove, ""}}},
           Wish{.name = kLast, .actions = {{kRemove, ""}}},
           Wish{.name = kFirst, .actions = {{kClear, ""}}},
           Wish{.name = kFirst, .actions = {{kEnable, ""}}},
           Wish{.name = kFirst, .actions = {{kDisable, ""}}},
           Wish{.name = kLast, .actions = {{kEnable, ""}}},
           Wish{.name = kLast, .actions = {{kMerge, kFirst}}},
           Wish{.name = kFirst, .actions = {from}, .from_other = true},
           Wish{
               .name = kFirst, .actions = {{kClear, ""}, from, {kDisable, ""}}, .from_other = true},
           Wish{.name = kFirst,
                .actions = {{kRemove, ""}, {kAdd, ""}, {kMerge, kLast}},
                .fine = true},
           Wish{.name = "", .actions = {{kRemoveAll, ""}}},
           Wish{.name = "x", .actions = {{kRemoveAll, ""}, {kAdd, ""}, {kDisable, ""}}},
       }) {
    changes.push_back(Bitmap(wish));
  }
  return changes;
}

std::vector<Change> FirstChanges() {
  return {
      Bitmap({.name = "y",
              .actions = {{kAdd, ""}, {kMerge, kOtherBitmap}},
              .fine = true,
              .from_other = true}),
      Bitmap({.name = "z", .actions = {{kAdd, ""}, {kDisable, ""}}}),
      Bitmap({.name = kFirst, .actions = {{kRemove, ""}}}),
  };
}

std::vector<std::pair<Change, Change>> Cycles() {
  const Wish remove{.name = "x", .actions = {{kRemove, ""}}};
  return {{Bitmap({.name = "x", .actions = {{kAdd, ""}}}), Bitmap(remove)},
          {Bitmap({.name = "x",
                   .actions = {{kAdd, ""}, {kMerge, kOtherBitmap}},
                   .fine = true,
                   .from_other = true}),
           Bitmap(remove)}};
}

}  // namespace

const ChangeSet& BitmapChanges() {
  static const ChangeSet kChanges{
      .first = FirstChanges(), .last = LastChanges(), .cycles = Cycles()};
  return kChanges;
}

}  // namespace instar::crash
