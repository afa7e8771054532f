// The nodes of an image description: what each option means, and whether its value is one.
#ifndef CLI_IMAGE_NODE_H_
#define CLI_IMAGE_NODE_H_

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/image_options.h"
#include "instar/vmm/image_spec.h"

namespace instar::cli {

// A format node and the file node below it.
struct ImageNode {
  std::string path;    // empty: the file that the image above names
  std::string driver;  // empty: not stated
  std::optional<vmm::RawWindow> window;
  std::string offset_as_written;  // as JSON; empty where it is not stated
  std::string size_as_written;
  bool read_only = false;
  bool force_share = false;
};

struct ImageChain {
  std::vector<ImageNode> nodes;  // at least one; from the top
  bool ends = false;             // nothing below the last one
};

// Reads a description to the end. The error, one line in the words of qemu-img where it has some,
// says what is wrong with it.
[[nodiscard]] std::expected<ImageChain, std::string> ReadImageChain(ImageOptions options);

// `text` as a string of JSON.
[[nodiscard]] std::string AsJson(const std::string& text);

}  // namespace instar::cli

#endif  // CLI_IMAGE_NODE_H_
