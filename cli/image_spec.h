// How the command line says which image is meant: the name of a file, with or without -f; a
// description in JSON ("json:{...}"); or, with --image-opts, a list of options.
//
// A description is a tree of nodes. A format node ("driver": qcow2, raw, ...) stands on a file node
// ("file": driver file, "filename") and may have a "backing" node, a format node again. All of it
// is the user's own words: nothing of an image is read here, and what an image names is never
// parsed by this.
#ifndef CLI_IMAGE_SPEC_H_
#define CLI_IMAGE_SPEC_H_

#include <optional>
#include <string>

#include "cli/stop.h"
#include "instar/vmm/image_spec.h"

namespace instar::cli {

// What is said of an image besides its name.
struct ImageForm {
  bool options = false;  // --image-opts
  std::string format;    // -f; empty without
};

inline constexpr const char* kImageOptsExclusive =
    "--image-opts and --format are mutually exclusive";

// An image to read.
[[nodiscard]] OrStop<vmm::ImageSpec> ReadImageSpec(const std::string& text, const ImageForm& form);

// An image to change in place: as ReadImageSpec, but it may not be described as one that is only
// read, or that others write to meanwhile.
[[nodiscard]] OrStop<vmm::ImageSpec> ReadEditedImageSpec(const std::string& text,
                                                         const ImageForm& form);

// An existing image to write into (-n).
struct TargetSpec {
  std::string path;
  std::string format;
  std::optional<vmm::RawWindow> window;
};

// `format` is the value of -O, or what stands for it; ignored with --target-image-opts.
[[nodiscard]] OrStop<TargetSpec> ReadTargetSpec(const std::string& text, bool image_opts,
                                                const std::string& format);

}  // namespace instar::cli

#endif  // CLI_IMAGE_SPEC_H_
