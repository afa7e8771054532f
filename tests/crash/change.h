// A change that a verb makes to an image, as the proofs see it: what a user is to see afterwards,
// and the function that makes it so.
#ifndef TESTS_CRASH_CHANGE_H_
#define TESTS_CRASH_CHANGE_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crash/crash_device.h"
#include "crash/image_facts.h"
#include "crash/images.h"
#include "formats/resize.h"

namespace instar::crash {

// The files of an image, opened for a change.
class OpenFiles {
 public:
  OpenFiles(const ImageFiles& files, Recording& recording);

  [[nodiscard]] FormatId format() const { return format_; }
  [[nodiscard]] CrashDevice& image() { return image_; }
  // Null where the image has none.
  [[nodiscard]] CrashDevice* data_file() { return data_file_ ? &*data_file_ : nullptr; }
  [[nodiscard]] const BlockDevice* backing() const { return backing_ ? &*backing_ : nullptr; }
  [[nodiscard]] std::optional<std::uint64_t> backing_bytes() const;
  // The disk, as it is while it is changed.
  [[nodiscard]] DiskContent& content() { return content_; }

  // What the program left behind.
  void StoreIn(ImageFiles& files) const;

 private:
  class Content final : public DiskContent {
   public:
    explicit Content(OpenFiles& files) : files_(files) {}
    Status Read(std::uint64_t offset, std::span<std::byte> out) override;

   private:
    OpenFiles& files_;
  };

  const FormatId format_;
  CrashDevice image_;
  std::optional<CrashDevice> data_file_;
  std::optional<SparseFile> backing_file_;
  std::optional<ReadOnlyDevice> backing_;
  Content content_{*this};
};

// What is to be seen while data is written into the disk: of the first `written_bytes` some are
// those of `facts`, and others those of `new_disk`.
struct Between {
  ImageFacts facts;
  SparseFile new_disk;
  std::uint64_t written_bytes = 0;
  bool after_root = false;  // a root was written before that: not all of `facts` is the old image's
};

// A change of one image.
struct PlannedChange {
  ImageFacts after;  // what is to be seen then
  std::function<Status(OpenFiles&)> run;
  std::optional<Between> between{};  // nothing: the image is never anything but old or new
};

inline const Between* BetweenOf(const PlannedChange& change) {
  return change.between ? &*change.between : nullptr;
}

struct Change {
  std::string name;  // "resize +3C", "snapshot -c two"
  // What it means for an image that looks like `before`; nothing where it has no sense: nothing
  // would change, or the image has not what it needs.
  std::function<std::optional<PlannedChange>(const ImageRecipe& recipe, const ImageFacts& before)>
      plan;
  // Whether it may be refused so: what the format or the image cannot do. Any other refusal is a
  // failure. Empty: none may.
  std::function<bool(const ImageRecipe& recipe, const Error& error)> may_be_refused;
};

// The changes of one verb.
struct ChangeSet {
  std::vector<Change> first;  // that are tried before another; a few
  std::vector<Change> last;   // whose crashes are looked at
  // Pairs of which the second undoes what the first does, also a thousand times.
  std::vector<std::pair<Change, Change>> cycles;
};

}  // namespace instar::crash

#endif  // TESTS_CRASH_CHANGE_H_
