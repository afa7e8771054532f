#include "crash/overwrite_changes.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crash/disk_writer.h"
#include "formats/create.h"
#include "formats/qcow2/read/bitmap_data.h"
#include "formats/qcow2/structures/bitmap_directory.h"
#include "formats/qcow2/structures/constants.h"

namespace instar::crash {
namespace {

using test::Disk;

// What is written.
struct Wish {
  std::uint64_t clusters = 0;  // of the image; no more than its disk has
  std::uint64_t bytes = 0;     // and these
  bool compress = false;
  bool zeros = false;
  unsigned quarters = 3;  // of a cluster: how long its runs of data and of zeros are
};

Disk Written(const Wish& wish, const ImageRecipe& recipe, const ImageFacts& before) {
  const std::uint64_t cluster_bytes = std::uint64_t{1} << recipe.cluster_bits;
  const std::uint64_t bytes = std::min(wish.clusters * cluster_bytes + wish.bytes,
                                       before.disk.size_bytes() / kSectorBytes * kSectorBytes);
  if (wish.zeros) return Disk(bytes);
  const std::uint64_t run = std::max(cluster_bytes * wish.quarters / 4, kSectorBytes);
  return test::MixedDisk(bytes, run / kSectorBytes * kSectorBytes);
}

// The bits of what is written, in the bitmaps that record writes.
void SetBits(ImageFacts& facts, std::uint64_t bytes) {
  for (BitmapFacts& bitmap : facts.bitmaps) {
    constexpr std::uint32_t kFlags = qcow2::kBitmapAuto | qcow2::kBitmapInUse;
    if ((bitmap.flags & kFlags) != qcow2::kBitmapAuto) continue;
    const std::uint64_t end = qcow2::BitmapBits(bytes, bitmap.granularity_bits);
    std::erase_if(bitmap.set, [end](std::uint64_t bit) { return bit < end; });
    for (std::uint64_t bit = end; bit-- > 0;) bitmap.set.insert(bitmap.set.begin(), bit);
  }
}

Status Overwrite(OpenFiles& files, const Disk& disk, bool compress) {
  INSTAR_ASSIGN_OR_RETURN(const auto writer, OpenForWriting({.format = files.format(),
                                                             .virtual_size_bytes = disk.size(),
                                                             .target = &files.image(),
                                                             .data_file = files.data_file(),
                                                             .content = &files.content(),
                                                             .compress = compress}));
  std::vector<TargetDevice*> devices = {&files.image()};
  if (files.data_file() != nullptr) devices.push_back(files.data_file());
  test::DiskWriter disk_writer(*writer, devices);
  disk_writer.compress = compress;
  return disk_writer.Write(disk);
}

std::optional<PlannedChange> Plan(const Wish& wish, const ImageRecipe& recipe,
                                  const ImageFacts& before) {
  if (recipe.format != FormatId::kQcow2) return std::nullopt;
  const bool data_file = (before.format.incompatible_features & qcow2::kIncompatDataFile) != 0;
  if (data_file && (wish.compress || !before.snapshots.empty())) return std::nullopt;
  const auto disk = std::make_shared<Disk>(Written(wish, recipe, before));
  if (disk->empty()) return std::nullopt;
  PlannedChange planned{.after = before, .run = [disk, compress = wish.compress](OpenFiles& files) {
                          return Overwrite(files, *disk, compress);
                        }};
  SetBits(planned.after, disk->size());
  planned.between = Between{.facts = planned.after,
                            .new_disk = before.disk,
                            .written_bytes = disk->size(),
                            .after_root = planned.after.bitmaps != before.bitmaps};
  planned.between->new_disk.Write(0, *disk);
  planned.after.disk.Write(0, *disk);
  return planned;
}

Change Overwriting(const std::string& name, const Wish& wish) {
  return {.name = "overwrite " + name,
          .plan = [wish](const ImageRecipe& recipe,
                         const ImageFacts& before) { return Plan(wish, recipe, before); },
          .may_be_refused =
              [](const ImageRecipe& recipe, const Error& error) {
                return error.code == ErrorCode::kNoSpace && recipe.disk_clusters_behind != 0;
              }};
}

}  // namespace

const ChangeSet& OverwriteChanges() {
  const Wish part{.clusters = 7, .bytes = 512};
  static const ChangeSet kChanges{
      .first = {Overwriting("7C+512", part)},
      .last = {Overwriting("12C", {.clusters = 12}),
               Overwriting("12C fine", {.clusters = 12, .quarters = 1}),
               Overwriting("7C+512", part), Overwriting("512", {.bytes = 512}),
               Overwriting("12C zeros", {.clusters = 12, .zeros = true}),
               Overwriting("5C+512 zeros", {.clusters = 5, .bytes = 512, .zeros = true}),
               Overwriting("12C compressed", {.clusters = 12, .compress = true}),
               Overwriting("7C+512 compressed", {.clusters = 7, .bytes = 512, .compress = true})},
      .cycles = {}};
  return kChanges;
}

}  // namespace instar::crash
