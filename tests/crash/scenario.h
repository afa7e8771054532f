// One run that is proved: an image, and a sequence of resizes of which the last is recorded.
#ifndef TESTS_CRASH_SCENARIO_H_
#define TESTS_CRASH_SCENARIO_H_

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crash/crash_device.h"
#include "crash/image_facts.h"
#include "crash/images.h"
#include "formats/resize.h"

namespace instar::crash {

// A resize of an image with clusters of C bytes and a disk of S.
struct SizeChange {
  std::string name;  // "+3C", "-512", "0"
  std::int64_t clusters = 0;
  std::int64_t bytes = 0;
  bool absolute = false;  // the size is that, and not the disk's and that
  Growth growth = Growth::kOff;

  // The size that a disk of `disk_bytes` gets; nothing where it is none, or no change.
  [[nodiscard]] std::optional<std::uint64_t> Of(std::uint64_t disk_bytes,
                                                unsigned cluster_bits) const;
};

struct Scenario {
  const ImageRecipe* recipe = nullptr;
  std::vector<SizeChange> changes;

  [[nodiscard]] std::string Name() const;
};

// All sequences of one, two and three changes of every image, in an order that `seed` draws: of the
// short ones more come first.
std::vector<Scenario> AllScenarios(std::uint64_t seed);

// A seed for what `scenario` draws, whatever is run before it.
std::uint64_t SeedOf(std::uint64_t seed, const std::string& name);

// An image before the recorded change.
struct Prepared {
  ImageFiles files;
  ImageFacts before;
  ImageFacts after;  // as it has to be
  std::uint64_t size_bytes = 0;
  Growth growth = Growth::kOff;
};

// The image of `scenario` with all changes but the last made. A text where it cannot be made or
// cannot be read, or a change before the last has gone wrong; an empty optional where the scenario
// has no sense: the size would not change, or a change before the last is refused.
std::expected<std::optional<Prepared>, std::string> Prepare(const Scenario& scenario);

// Runs ResizeImage on the files, as the recording wishes. `files` become what the program left
// behind.
Status RunResize(ImageFiles& files, std::uint64_t size_bytes, Growth growth, Recording& recording);

}  // namespace instar::crash

#endif  // TESTS_CRASH_SCENARIO_H_
