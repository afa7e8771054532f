#include "cli/image_node.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "cli/json_text.h"
#include "formats/base/error.h"
#include "formats/base/ids.h"
#include "formats/base/option_list.h"

namespace instar::cli {
namespace {

using Kind = ImageOptionValue::Kind;
using Fault = std::unexpected<std::string>;
template <typename T>
using OrFault = std::expected<T, std::string>;

bool IsFileDriver(std::string_view driver) { return driver == "file" || driver == "host_device"; }

// Options that change nothing here, by the values they take. What they are for: caches of qemu's
// own, and what a running machine may do with the image.
enum class Values { kBoolean, kSize, kOverlap };

struct HarmlessOption {
  std::string_view name;
  Values values;
};

constexpr std::size_t kMostImages = 1024;

constexpr auto kOfEveryNode = std::to_array<HarmlessOption>({
    {"auto-read-only", Values::kBoolean},
    {"cache.no-flush", Values::kBoolean},
});
constexpr auto kOfFiles = std::to_array<HarmlessOption>({
    {"aio-max-batch", Values::kSize},
    {"drop-cache", Values::kBoolean},
    {"x-check-cache-dropped", Values::kBoolean},
});
constexpr auto kOfQcow2 = std::to_array<HarmlessOption>({
    {"cache-clean-interval", Values::kSize},
    {"cache-size", Values::kSize},
    {"discard-no-unref", Values::kBoolean},
    {"l2-cache-entry-size", Values::kSize},
    {"l2-cache-size", Values::kSize},
    {"lazy-refcounts", Values::kBoolean},
    {"overlap-check", Values::kOverlap},
    {"overlap-check.active-l1", Values::kBoolean},
    {"overlap-check.active-l2", Values::kBoolean},
    {"overlap-check.bitmap-directory", Values::kBoolean},
    {"overlap-check.inactive-l1", Values::kBoolean},
    {"overlap-check.inactive-l2", Values::kBoolean},
    {"overlap-check.main-header", Values::kBoolean},
    {"overlap-check.refcount-block", Values::kBoolean},
    {"overlap-check.refcount-table", Values::kBoolean},
    {"overlap-check.snapshot-table", Values::kBoolean},
    {"overlap-check.template", Values::kOverlap},
    {"pass-discard-other", Values::kBoolean},
    {"pass-discard-request", Values::kBoolean},
    {"pass-discard-snapshot", Values::kBoolean},
    {"refcount-cache-size", Values::kSize},
});

// The words that an option may take.
using KnownWords = std::span<const std::string_view>;
constexpr std::string_view kDiscard[] = {"ignore", "off", "unmap", "on"};
constexpr std::string_view kDetectZeroes[] = {"off", "on", "unmap"};
constexpr std::string_view kAio[] = {"threads", "native", "io_uring"};
constexpr std::string_view kLocking[] = {"on", "off", "auto"};
constexpr std::string_view kOverlap[] = {"none", "constant", "cached", "all"};

// Takes the options of one node.
class NodeReader {
 public:
  explicit NodeReader(ImageOptions& options) : options_(options) {}

  // Nothing where the option is absent.
  OrFault<std::optional<std::string>> Text(std::string_view name) {
    auto value = options_.Take(name);
    if (!value) return std::nullopt;
    if (value->kind != Kind::kText) return Fault("'" + std::string(name) + "' must be a string");
    if (value->text.contains('\0')) {
      return Fault("'" + std::string(name) + "' holds a NUL character");
    }
    return std::move(value->text);
  }

  OrFault<std::optional<bool>> Boolean(std::string_view name) {
    const auto value = options_.Take(name);
    if (!value) return std::nullopt;
    const bool may_be = value->kind == Kind::kText || value->kind == Kind::kBoolean;
    const auto truth = may_be ? ParseOptionBoolean(value->text) : std::nullopt;
    if (!truth) return Fault("Parameter '" + std::string(name) + "' expects 'on' or 'off'");
    return *truth;
  }

  // A number of bytes, and in `as_written` how it was given.
  OrFault<std::optional<std::uint64_t>> Size(std::string_view name, std::string* as_written) {
    const auto value = options_.Take(name);
    if (!value) return std::nullopt;
    const bool may_be = value->kind == Kind::kText || value->kind == Kind::kNumber;
    const bool fraction = value->kind == Kind::kNumber && value->text.contains('.');
    const auto bytes = may_be && !fraction ? ParseOptionSize(value->text) : std::nullopt;
    if (!bytes) {
      return Fault("Parameter '" + std::string(name) +
                   "' expects a non-negative number below 2^64; the suffixes k, M, G, T, P and E "
                   "mean kilo-, mega-, giga-, tera-, peta- and exabytes");
    }
    if (as_written != nullptr) {
      *as_written = value->kind == Kind::kNumber ? value->text : AsJson(value->text);
    }
    return *bytes;
  }

  OrFault<std::optional<std::string>> Word(std::string_view name, KnownWords known) {
    INSTAR_ASSIGN_OR_RETURN(auto word, Text(name));
    if (!word.has_value()) return word;
    if (std::ranges::find(known, *word) != known.end()) return word;
    return Fault("Invalid value of '" + std::string(name) + "': " + *word);
  }

  OrFault<void> Harmless(std::span<const HarmlessOption> table) {
    for (const HarmlessOption& option : table) {
      INSTAR_TRY(TakeHarmless(option));
    }
    return {};
  }

 private:
  OrFault<void> TakeHarmless(const HarmlessOption& option) {
    switch (option.values) {
      case Values::kBoolean:
        return Only(Boolean(option.name));
      case Values::kSize:
        return Only(Size(option.name, nullptr));
      case Values::kOverlap:
        return Only(Word(option.name, kOverlap));
    }
    return {};
  }
  template <typename T>
  static OrFault<void> Only(const OrFault<T>& value) {
    if (!value) return Fault(value.error());
    return {};
  }

  ImageOptions& options_;
};

// An identifier as those of nodes have to be.
bool IsNodeName(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (name.empty() || !letter(name.front())) return false;
  for (const char c : name) {
    if (!letter(c) && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

std::string NoSuchOption(const ImageOptions& left, const std::string& driver) {
  return "Block " + driver + " does not support the option '" + left.FirstName() + "'";
}

// What format nodes and file nodes have in common. `direct` becomes whether caches are bypassed.
OrFault<void> ReadCommon(ImageOptions& options, ImageNode& node, bool& direct) {
  NodeReader reader(options);
  INSTAR_ASSIGN_OR_RETURN(const auto name, reader.Text("node-name"));
  const std::string node_name = name.value_or("unnamed");
  if (!IsNodeName(node_name)) return Fault("Invalid node-name: '" + node_name + "'");
  INSTAR_ASSIGN_OR_RETURN(const auto read_only, reader.Boolean("read-only"));
  node.read_only |= read_only.value_or(false);
  INSTAR_ASSIGN_OR_RETURN(const auto force_share, reader.Boolean("force-share"));
  node.force_share |= force_share.value_or(false);
  INSTAR_ASSIGN_OR_RETURN(const auto bypass, reader.Boolean("cache.direct"));
  direct = bypass.value_or(direct);
  INSTAR_ASSIGN_OR_RETURN(const auto discard, reader.Word("discard", kDiscard));
  INSTAR_ASSIGN_OR_RETURN(const auto detect, reader.Word("detect-zeroes", kDetectZeroes));
  if (detect == "unmap" && discard != "unmap" && discard != "on") {
    return Fault(
        "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap");
  }
  return reader.Harmless(kOfEveryNode);
}

// The options of the node that is the file itself, but for "driver".
OrFault<void> ReadFile(ImageOptions& options, ImageNode& node, bool direct) {
  NodeReader reader(options);
  INSTAR_ASSIGN_OR_RETURN(const auto path, reader.Text("filename"));
  if (!path || path->empty()) return Fault("The 'file' block driver requires a file name");
  // Not to be taken for "protocol:rest", nor for the standard input.
  const std::size_t colon = path->find_first_of(":/");
  const bool special = *path == "-" || (colon != std::string::npos && (*path)[colon] == ':');
  node.path = (special ? "./" : "") + *path;
  INSTAR_TRY(ReadCommon(options, node, direct));
  INSTAR_ASSIGN_OR_RETURN(const auto aio, reader.Word("aio", kAio));
  if (aio == "native" && !direct) {
    return Fault(
        "aio=native was specified, but it requires cache.direct=on, which was not specified.");
  }
  INSTAR_ASSIGN_OR_RETURN(const auto locking, reader.Word("locking", kLocking));
  if (locking == "off") node.force_share = true;
  INSTAR_ASSIGN_OR_RETURN(const auto manager, reader.Text("pr-manager"));
  if (manager) return Fault("No persistent reservation manager with id '" + *manager + "'");
  INSTAR_TRY(reader.Harmless(kOfFiles));
  if (!options.empty()) return Fault(NoSuchOption(options, "protocol 'file'"));
  return {};
}

// A name of a node where one could be described: qemu-img has no nodes that could be meant.
std::string NoSuchNode(const std::string& name) {
  return "Cannot find device='" + name + "' nor node-name='" + name +
         "'; a file is named by file.filename";
}

// "file" and what is below it.
OrFault<void> ReadFileBelow(ImageOptions& options, ImageNode& node, bool required, bool direct) {
  auto reference = options.Take("file");
  ImageOptions below = options.TakeBelow("file");
  if (reference && reference->kind == Kind::kText) {
    if (below.empty()) return Fault(NoSuchNode(reference->text));
    return Fault(
        "Cannot reference an existing block device with additional options or a new filename");
  }
  if (below.empty()) {
    if (!required) return {};
    return Fault("A block device must be specified for \"file\"");
  }
  INSTAR_ASSIGN_OR_RETURN(const auto driver, NodeReader(below).Text("driver"));
  if (driver && !IsFileDriver(*driver)) {
    return Fault("Driver '" + *driver + "' is not supported below a format: give a local file");
  }
  return ReadFile(below, node, direct);
}

OrFault<void> ReadFormatOptions(ImageOptions& options, ImageNode& node) {
  NodeReader reader(options);
  const bool probe = node.driver.empty();
  if (probe || node.driver == "raw") {
    INSTAR_ASSIGN_OR_RETURN(const auto offset, reader.Size("offset", &node.offset_as_written));
    INSTAR_ASSIGN_OR_RETURN(const auto size, reader.Size("size", &node.size_as_written));
    if (offset || size) {
      node.window = vmm::RawWindow{.offset_bytes = offset.value_or(0),
                                   .size_bytes = size.value_or(vmm::RawWindow::kToTheEnd)};
    }
  }
  if (probe || node.driver == "qcow2") {
    if (options.Take("data-file") || !options.TakeBelow("data-file").empty()) {
      return Fault("'data-file' is not supported: the image itself names its data file");
    }
    if (!options.TakeBelow("encrypt").empty()) {
      return Fault("'encrypt' is not supported: encryption is not available in this version");
    }
    return reader.Harmless(kOfQcow2);
  }
  return {};
}

OrFault<void> CheckDriver(const std::string& driver) {
  if (IsFileDriver(driver) || FormatFromName(driver) != FormatId::kUnknown) return {};
  return Fault("Unknown driver '" + driver + "'");
}

// One format node, without "backing".
OrFault<ImageNode> ReadNode(ImageOptions& options, bool top) {
  ImageNode node;
  NodeReader reader(options);
  INSTAR_ASSIGN_OR_RETURN(const auto driver, reader.Text("driver"));
  if (driver) {
    INSTAR_TRY(CheckDriver(*driver));
    node.driver = *driver;
  }
  bool direct = false;
  if (IsFileDriver(node.driver)) {
    if (!top) return Fault("a backing file needs the driver of a format: raw");
    INSTAR_TRY(ReadFile(options, node, direct));
    return node;
  }
  INSTAR_TRY(ReadCommon(options, node, direct));
  const bool required = top && driver.has_value();
  INSTAR_TRY(ReadFileBelow(options, node, required, direct));
  if (top && node.path.empty()) return Fault("Must specify either driver or file");
  INSTAR_TRY(ReadFormatOptions(options, node));
  return node;
}

// One format node without "backing", which must be all there is.
OrFault<ImageNode> ReadLevel(ImageOptions& options, bool top) {
  INSTAR_ASSIGN_OR_RETURN(ImageNode node, ReadNode(options, top));
  if (options.empty()) return node;
  const std::string format = node.driver.empty() ? "of the image" : "'" + node.driver + "'";
  return Fault(NoSuchOption(options, "format " + format));
}

}  // namespace

std::expected<ImageChain, std::string> ReadImageChain(ImageOptions options) {
  ImageChain chain;
  while (true) {
    const bool top = chain.nodes.empty();
    const auto reference = options.TakeEvenNull("backing");
    ImageOptions backing = options.TakeBelow("backing");
    auto node = ReadLevel(options, top);
    if (!node) return Fault((top ? "" : "Could not open backing file: ") + node.error());
    chain.nodes.push_back(*std::move(node));

    const bool text = reference && reference->kind == Kind::kText;
    chain.ends = reference && (reference->kind == Kind::kNull || (text && reference->text.empty()));
    if (text && !chain.ends) {
      return Fault("Could not open backing file: " + NoSuchNode(reference->text));
    }
    if (backing.empty()) return chain;
    if (chain.ends) return Fault("'backing' is both null and described");
    const std::string& driver = chain.nodes.back().driver;
    if (driver == "raw" || IsFileDriver(driver)) {
      return Fault("Driver doesn't support backing files");
    }
    if (chain.nodes.size() == kMostImages) return Fault("more than 1024 images are described");
    options = std::move(backing);
  }
}

std::string AsJson(const std::string& text) { return JsonString(text); }

}  // namespace instar::cli
