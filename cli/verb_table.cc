#include "cli/verb.h"

namespace instar::cli {
namespace {

// In the order --help lists them. compare keeps 1 for "the images differ", so its failures are 2.
constexpr Verb kVerbs[] = {
    {"amend", "change options of an image"},
    {"bench", "measure the speed of reading or writing"},
    {"bitmap", "change persistent dirty bitmaps"},
    {"check", "look for inconsistencies in an image", RunCheck},
    {"commit", "write an overlay's changes into its backing file"},
    {"compare", "compare the contents of two images", RunCompare, 2},
    {"convert", "copy a virtual disk into a new image, of any format", RunConvert},
    {"create", "make an empty image", RunCreate},
    {"dd", "copy part of a virtual disk", RunDd},
    {"doctor", "say what of the protection is active on this machine", RunDoctor},
    {"info", "show what an image is", RunInfo},
    {"map", "list which parts of a virtual disk hold data, and where", RunMap},
    {"measure", "calculate the size a new image would have", RunMeasure},
    {"rebase", "change the backing file of an overlay"},
    {"resize", "change the size of a virtual disk"},
    {"snapshot", "list, make, apply and delete internal snapshots"},
};

}  // namespace

std::span<const Verb> Verbs() { return kVerbs; }

const Verb* FindVerb(std::string_view name) {
  for (const Verb& verb : kVerbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

}  // namespace instar::cli
