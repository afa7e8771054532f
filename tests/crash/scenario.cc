#include "crash/scenario.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace instar::crash {
namespace {

constexpr std::pair<Growth, const char*> kGrowths[] = {{Growth::kOff, ""},
                                                       {Growth::kMetadata, " metadata"},
                                                       {Growth::kFalloc, " falloc"},
                                                       {Growth::kFull, " full"}};

std::vector<SizeChange> ChangesWithGrowth(const SizeChange& change) {
  std::vector<SizeChange> all;
  for (const auto& [growth, name] : kGrowths) {
    all.push_back(change);
    all.back().growth = growth;
    all.back().name += name;
  }
  return all;
}

// What is tried as the last change.
const std::vector<SizeChange>& LastChanges() {
  static const std::vector<SizeChange> all = [] {
    std::vector<SizeChange> changes = {
        {.name = "-512", .bytes = -512},
        {.name = "-1C", .clusters = -1},
        {.name = "-5C", .clusters = -5},
        {.name = "-9C-512", .clusters = -9, .bytes = -512},
        {.name = "=512", .bytes = 512, .absolute = true},
        {.name = "=0", .absolute = true},
        {.name = "+5000C", .clusters = 5000},  // a longer L1 table, where clusters are short
        {.name = "+70000C", .clusters = 70000},
    };
    for (const SizeChange& up :
         {SizeChange{.name = "+512", .bytes = 512}, SizeChange{.name = "+1C", .clusters = 1},
          SizeChange{.name = "+3C+512", .clusters = 3, .bytes = 512},
          SizeChange{.name = "+90C", .clusters = 90}}) {
      const auto with_growth = ChangesWithGrowth(up);
      changes.insert(changes.end(), with_growth.begin(), with_growth.end());
    }
    changes.push_back({.name = "+400C metadata", .clusters = 400, .growth = Growth::kMetadata});
    return changes;
  }();
  return all;
}

// What is tried before it.
const std::vector<SizeChange>& FirstChanges() {
  static const std::vector<SizeChange> all = {
      {.name = "-3C-512", .clusters = -3, .bytes = -512},
      {.name = "=0", .absolute = true},
      {.name = "+2C+512", .clusters = 2, .bytes = 512},
      {.name = "+80C metadata", .clusters = 80, .growth = Growth::kMetadata},
  };
  return all;
}

// Reads the disk while it is changed, as the verb does.
class LiveContent final : public DiskContent {
 public:
  LiveContent(const BlockDevice& image, const BlockDevice* data_file, const BlockDevice* backing,
              FormatId format)
      : image_(image), data_file_(data_file), backing_(backing), format_(format) {}
  Status Read(std::uint64_t offset, std::span<std::byte> out) override {
    return ReadDisk(image_, data_file_, backing_, format_, offset, out);
  }

 private:
  const BlockDevice& image_;
  const BlockDevice* data_file_;
  const BlockDevice* backing_;
  const FormatId format_;
};

// The image as it is made, made once.
const std::expected<ImageFiles, std::string>& Made(const ImageRecipe& recipe) {
  static std::map<const ImageRecipe*, std::expected<ImageFiles, std::string>> made;
  const auto at = made.find(&recipe);
  if (at != made.end()) return at->second;
  return made.emplace(&recipe, Make(recipe)).first->second;
}

}  // namespace

std::optional<std::uint64_t> SizeChange::Of(std::uint64_t disk_bytes, unsigned cluster_bits) const {
  const std::int64_t difference = clusters * (std::int64_t{1} << cluster_bits) + bytes;
  const std::int64_t size =
      absolute ? difference : static_cast<std::int64_t>(disk_bytes) + difference;
  if (size < 0 || static_cast<std::uint64_t>(size) == disk_bytes) return std::nullopt;
  return static_cast<std::uint64_t>(size);
}

std::string Scenario::Name() const {
  std::string name = recipe->name;
  for (const SizeChange& change : changes) absl::StrAppend(&name, ", ", change.name);
  return name;
}

std::uint64_t SeedOf(std::uint64_t seed, const std::string& name) {
  for (const char c : name) {
    seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    seed ^= seed >> 29;
  }
  return seed;
}

std::vector<Scenario> AllScenarios(std::uint64_t seed) {
  std::vector<Scenario> by_length[3];
  for (const ImageRecipe& recipe : AllImages()) {
    // Where refcounts are wide, a longer refcount table.
    if (recipe.cluster_bits == 9) {
      by_length[0].push_back(
          {&recipe, {{.name = "+5000C metadata", .clusters = 5000, .growth = Growth::kMetadata}}});
    }
    for (const SizeChange& last : LastChanges()) {
      by_length[0].push_back({&recipe, {last}});
      for (const SizeChange& first : FirstChanges()) {
        by_length[1].push_back({&recipe, {first, last}});
        for (const SizeChange& second : FirstChanges()) {
          by_length[2].push_back({&recipe, {first, second, last}});
        }
      }
    }
  }
  std::mt19937_64 random(seed);
  // Of std::shuffle it is not said what it draws.
  const auto shuffle = [&random](std::vector<Scenario>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[random() % i]);
  };
  for (auto& list : by_length) shuffle(list);
  std::vector<Scenario> all;
  std::size_t taken[3] = {};
  const auto take = [&](int length, std::size_t count) {
    for (; count != 0 && taken[length] < by_length[length].size(); --count) {
      all.push_back(std::move(by_length[length][taken[length]++]));
    }
  };
  while (all.size() < by_length[0].size() + by_length[1].size() + by_length[2].size()) {
    take(0, 3);
    take(1, 2);
    take(2, 1);
  }
  return all;
}

Status RunResize(ImageFiles& files, std::uint64_t size_bytes, Growth growth, Recording& recording) {
  CrashDevice image(files.image, kImageId, recording, files.fixed_length);
  std::optional<CrashDevice> data_file;
  if (files.data_file) data_file.emplace(*files.data_file, kDataFileId, recording);
  std::optional<ReadOnlyDevice> backing;
  if (files.backing) backing.emplace(*files.backing, kBackingId);
  LiveContent content(image, data_file ? &*data_file : nullptr, backing ? &*backing : nullptr,
                      files.format);
  ResizeOptions options{.format = files.format,
                        .device = &image,
                        .data_file = data_file ? &*data_file : nullptr,
                        .content = &content,
                        .size_bytes = size_bytes,
                        .growth = growth};
  if (files.backing) options.backing_bytes = files.backing->size_bytes();
  Status status = ResizeImage(options);
  files.image = image.file();
  if (data_file) files.data_file = data_file->file();
  return status;
}

std::expected<std::optional<Prepared>, std::string> Prepare(const Scenario& scenario) {
  const auto& made = Made(*scenario.recipe);
  if (!made) return std::unexpected(made.error());
  Prepared prepared{.files = *made};
  for (std::size_t i = 0; i < scenario.changes.size(); ++i) {
    auto facts = Observe(prepared.files);
    if (!facts) return std::unexpected(absl::StrCat("before change ", i + 1, ": ", facts.error()));
    if (i != 0) {
      if (std::string why = Difference(*facts, prepared.after); !why.empty()) {
        return std::unexpected(absl::StrCat("after change ", i, ": ", why));
      }
    }
    const SizeChange& change = scenario.changes[i];
    const auto size = change.Of(facts->disk.size_bytes(), scenario.recipe->cluster_bits);
    if (!size) return std::nullopt;
    prepared.before = *std::move(facts);
    prepared.after = Resized(prepared.before, *size);
    prepared.size_bytes = *size;
    prepared.growth = change.growth;
    if (i + 1 == scenario.changes.size()) break;
    Recording recording;
    if (!RunResize(prepared.files, *size, change.growth, recording)) return std::nullopt;
  }
  return prepared;
}

}  // namespace instar::crash
