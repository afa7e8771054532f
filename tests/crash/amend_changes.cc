#include "crash/amend_changes.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "crash/resize_changes.h"
#include "formats/amend.h"
#include "formats/qcow2/structures/constants.h"
#include "formats/qcow2/structures/snapshot_table.h"

namespace instar::crash {
namespace {

// What an image is given; nothing: as it is.
struct Options {
  std::optional<std::uint32_t> version;
  std::optional<SizeStep> size;
  std::optional<bool> lazy_refcounts;
  std::optional<std::uint32_t> refcount_bits;
  std::optional<std::string> data_file_name;
  std::optional<bool> data_file_raw;
};

bool HasDataFile(const ImageFacts& facts) {
  return (facts.format.incompatible_features & qcow2::kIncompatDataFile) != 0;
}

void SetVersion(ImageFacts& facts, std::uint32_t version, std::uint64_t old_disk_bytes) {
  if (version == facts.format.version) return;
  facts.format.version = version;
  if (version == 2) {
    facts.format.incompatible_features = 0;
    facts.format.compatible_features = 0;
    facts.format.autoclear_features = 0;
    facts.format.compression_type = qcow2::kCompressionZlib;
    return;
  }
  for (SnapshotFacts& snapshot : facts.snapshots) {
    if (snapshot.extra_bytes >= qcow2::SnapshotEntry::kExtraBytesDiskSize) continue;
    snapshot.extra_bytes = qcow2::SnapshotEntry::kExtraBytesIcount;
    snapshot.disk_size_bytes = old_disk_bytes;
  }
}

void SetDataFile(ImageFacts& facts, const Options& options) {
  const auto drop = [&](std::string_view start) {
    std::erase_if(facts.details,
                  [&](const std::string& detail) { return detail.starts_with(start); });
  };
  if (options.data_file_raw && !*options.data_file_raw) {
    facts.format.autoclear_features &= ~qcow2::kAutoclearDataFileRaw;
    drop("the raw data file");
  }
  if (!options.data_file_name) return;
  const std::string start = absl::StrFormat("extension %#x: ", qcow2::kExtensionDataFile);
  drop(start);
  if (options.data_file_name->empty()) return;
  // Extensions stand between the name of the backing file and what is said of a raw file.
  auto at = std::ranges::find_if(facts.details, [&](const std::string& detail) {
    return detail > start && !detail.starts_with("backing");
  });
  facts.details.insert(at, start + *options.data_file_name);
}

// Nothing where it has no sense for the image.
std::optional<ImageFacts> Amended(const Options& options, const ImageRecipe& recipe,
                                  const ImageFacts& before) {
  if (recipe.format != FormatId::kQcow2) return std::nullopt;
  if ((options.data_file_name || options.data_file_raw) && !HasDataFile(before)) {
    return std::nullopt;
  }
  ImageFacts after = before;
  if (options.size) {
    const auto bytes = SizeAfter(*options.size, before.disk.size_bytes(), recipe.cluster_bits);
    if (!bytes) return std::nullopt;
    after = Resized(before, *bytes);
  }
  if (options.lazy_refcounts) {
    after.format.compatible_features &= ~qcow2::kCompatLazyRefcounts;
    if (*options.lazy_refcounts) after.format.compatible_features |= qcow2::kCompatLazyRefcounts;
  }
  if (options.refcount_bits) {
    after.format.refcount_order = static_cast<unsigned>(std::countr_zero(*options.refcount_bits));
  }
  SetDataFile(after, options);
  if (options.version) SetVersion(after, *options.version, before.disk.size_bytes());
  if (Difference(after, before).empty()) return std::nullopt;
  return after;
}

Status AmendFiles(OpenFiles& files, const Options& options, const ImageFacts& after) {
  return AmendImage(
      {.format = files.format(),
       .device = &files.image(),
       .data_file = files.data_file(),
       .content = &files.content(),
       .backing_bytes = files.backing_bytes(),
       .version = options.version,
       .size_bytes = options.size ? std::optional(after.disk.size_bytes()) : std::nullopt,
       .lazy_refcounts = options.lazy_refcounts,
       .refcount_bits = options.refcount_bits,
       .data_file_name = options.data_file_name,
       .data_file_raw = options.data_file_raw});
}

bool MayBeRefused(const ImageRecipe& recipe, const Error& error) {
  if (error.code == ErrorCode::kNoSpace) return recipe.disk_clusters_behind != 0;
  for (const char* start :
       {"Can't resize a v2 image which has snapshots", "a disk with bitmaps cannot have the size 0",
        "Cannot decrease refcount entry width", "compat=0.10 requires refcount_bits=16",
        "Cannot downgrade an image", "Internal snapshots prevent downgrade",
        "Refcount widths other than 16", "Lazy refcounts only supported",
        "the image has the bitmap"}) {
    if (std::string_view(error.message).starts_with(start)) return true;
  }
  return false;
}

Change Amend(const std::string& name, const Options& options) {
  return {.name = "amend " + name,
          .plan = [options](const ImageRecipe& recipe,
                            const ImageFacts& before) -> std::optional<PlannedChange> {
            const auto after = Amended(options, recipe, before);
            if (!after) return std::nullopt;
            return PlannedChange{.after = *after,
                                 .run = [options, after = *after](OpenFiles& files) {
                                   return AmendFiles(files, options, after);
                                 }};
          },
          .may_be_refused = MayBeRefused};
}

std::vector<Change> LastChanges() {
  std::vector<Change> changes = {
      Amend("v2", {.version = 2}),
      Amend("v3", {.version = 3}),
      Amend("lazy", {.lazy_refcounts = true}),
      Amend("not lazy", {.lazy_refcounts = false}),
      Amend("+3C+512", {.size = SizeStep{.clusters = 3, .bytes = 512}}),
      Amend("-5C", {.size = SizeStep{.clusters = -5}}),
      Amend("not raw", {.data_file_raw = false}),
      Amend("data file", {.data_file_name = "other.raw"}),
      Amend("data file with a long name", {.data_file_name = std::string(700, 'd')}),
      Amend("no name of a data file", {.data_file_name = ""}),
      Amend("v3 64 bits", {.version = 3, .refcount_bits = 64}),
      Amend("v3 lazy +3C", {.version = 3, .size = SizeStep{.clusters = 3}, .lazy_refcounts = true}),
      Amend("v3 1 bit -5C", {.version = 3, .size = SizeStep{.clusters = -5}, .refcount_bits = 1}),
      Amend("v2 -5C", {.version = 2, .size = SizeStep{.clusters = -5}}),
      Amend("v2 +90C", {.version = 2, .size = SizeStep{.clusters = 90}}),
      Amend("v2 16 bits +512", {.version = 2, .size = SizeStep{.bytes = 512}, .refcount_bits = 16}),
      Amend("64 bits +5000C", {.size = SizeStep{.clusters = 5000}, .refcount_bits = 64}),
      Amend("8 bits not lazy =512", {.size = SizeStep{.bytes = 512, .absolute = true},
                                     .lazy_refcounts = false,
                                     .refcount_bits = 8}),
      Amend("32 bits data file not raw",
            {.refcount_bits = 32, .data_file_name = "o.raw", .data_file_raw = false}),
  };
  for (const std::uint32_t bits : {1U, 2U, 4U, 8U, 16U, 32U, 64U}) {
    changes.push_back(Amend(absl::StrCat(bits, " bits"), {.refcount_bits = bits}));
  }
  return changes;
}

std::vector<Change> FirstChanges() {
  return {Amend("v2", {.version = 2}), Amend("v3 2 bits", {.version = 3, .refcount_bits = 2}),
          Amend("64 bits +80C", {.size = SizeStep{.clusters = 80}, .refcount_bits = 64})};
}

// Only of images that have refcounts of 16 bits.
Change From16Bits(Change change) {
  change.plan = [plan = std::move(change.plan)](const ImageRecipe& recipe,
                                                const ImageFacts& before) {
    return before.format.refcount_order == 4 ? plan(recipe, before) : std::nullopt;
  };
  return change;
}

std::vector<std::pair<Change, Change>> Cycles() {
  return {{From16Bits(Amend("64 bits", {.refcount_bits = 64})),
           Amend("16 bits", {.refcount_bits = 16})},
          {From16Bits(Amend("2 bits +90C", {.size = SizeStep{.clusters = 90}, .refcount_bits = 2})),
           Amend("16 bits -90C", {.size = SizeStep{.clusters = -90}, .refcount_bits = 16})},
          {Amend("v3", {.version = 3}), Amend("v2", {.version = 2})}};
}

}  // namespace

const ChangeSet& AmendChanges() {
  static const ChangeSet kChanges{
      .first = FirstChanges(), .last = LastChanges(), .cycles = Cycles()};
  return kChanges;
}

}  // namespace instar::crash
