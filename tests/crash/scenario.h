// One run that is proved: an image, and a sequence of changes of which the last is recorded.
#ifndef TESTS_CRASH_SCENARIO_H_
#define TESTS_CRASH_SCENARIO_H_

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "crash/change.h"
#include "crash/crash_device.h"
#include "crash/image_facts.h"
#include "crash/images.h"

namespace instar::crash {

struct Scenario {
  const ImageRecipe* recipe = nullptr;
  std::vector<const Change*> changes;

  [[nodiscard]] std::string Name() const;
};

// All sequences of one, two and three changes of every image, in an order that `seed` draws: of the
// short ones more come first. `changes` must outlive them.
std::vector<Scenario> AllScenarios(const ChangeSet& changes, std::uint64_t seed);

// The image as it is made, made once.
const std::expected<ImageFiles, std::string>& MadeOnce(const ImageRecipe& recipe);

// A seed for what `scenario` draws, whatever is run before it.
std::uint64_t SeedOf(std::uint64_t seed, const std::string& name);

// An image before the recorded change.
struct Prepared {
  ImageFiles files;
  ImageFacts before;
  PlannedChange change;
};

// The image of `scenario` with all changes but the last made. A text where it cannot be made or
// cannot be read, or a change before the last has gone wrong; an empty optional where the scenario
// has no sense: a change has none, or one before the last is refused.
std::expected<std::optional<Prepared>, std::string> Prepare(const Scenario& scenario);

// Makes the change, as the recording wishes. `files` become what the program left behind.
Status Run(const PlannedChange& change, ImageFiles& files, Recording& recording);

}  // namespace instar::crash

#endif  // TESTS_CRASH_SCENARIO_H_
