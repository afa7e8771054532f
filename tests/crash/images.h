// The images that are changed in the proofs: small ones, of all kinds that are hard to change.
//
// They are made by qemu-img and qemu-io, because those make what users have, and then patched where
// a killed machine or another program would have left something that these do not make.
#ifndef TESTS_CRASH_IMAGES_H_
#define TESTS_CRASH_IMAGES_H_

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "crash/image_facts.h"

namespace instar::crash {

struct ImageRecipe {
  std::string name;
  unsigned cluster_bits = 16;
  std::uint64_t disk_bytes = 0;
  // Run by the shell in an empty folder: makes i.qcow2 or i.raw, and d.raw and b.raw where the
  // image has a data file or a backing file.
  std::string script;
  std::function<void(SparseFile& image)> patch;
  FormatId format = FormatId::kQcow2;
  // The image stands on a disk with so many clusters more, in which there is garbage.
  std::uint64_t disk_clusters_behind = 0;
};

// All of them, in an order that stays.
const std::vector<ImageRecipe>& AllImages();

// The files, or what went wrong.
std::expected<ImageFiles, std::string> Make(const ImageRecipe& recipe);

}  // namespace instar::crash

#endif  // TESTS_CRASH_IMAGES_H_
