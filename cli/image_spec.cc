#include "cli/image_spec.h"

#include <utility>

#include "cli/image_node.h"
#include "cli/image_options.h"
#include "formats/base/error.h"

namespace instar::cli {
namespace {

constexpr std::string_view kJson = "json:";

std::unexpected<Stop> CouldNotOpen(const std::string& text, const std::string& why) {
  return Refusal("Could not open '" + text + "': " + why);
}

// Whether `text` is a description rather than the name of a file.
bool IsDescription(const std::string& text, bool image_opts) {
  return image_opts || text.starts_with(kJson);
}

// `driver`, if not empty, takes the place of the one described.
OrStop<ImageChain> ReadDescription(const std::string& text, bool image_opts,
                                   const std::string& driver) {
  ImageOptions options;
  if (image_opts) {
    options = ImageOptions::FromList(text);
  } else {
    auto read = ImageOptions::FromJson(std::string_view(text).substr(kJson.size()));
    if (!read) return CouldNotOpen(text, read.error());
    options = *std::move(read);
  }
  if (!driver.empty()) options.Set("driver", {.text = driver});
  auto chain = ReadImageChain(std::move(options));
  if (!chain) return CouldNotOpen(text, chain.error());
  return *std::move(chain);
}

// What qemu-img calls an image that is part of a file.
std::string NameOfWindow(const ImageNode& node) {
  std::string name = "json:{";
  if (!node.offset_as_written.empty()) name += "\"offset\": " + node.offset_as_written + ", ";
  name += "\"driver\": \"raw\", ";
  if (!node.size_as_written.empty()) name += "\"size\": " + node.size_as_written + ", ";
  name += R"("file": {"driver": "file", "filename": )" + AsJson(node.path) + "}}";
  return name;
}

}  // namespace

namespace {

// `edited`: it is to be written to.
OrStop<vmm::ImageSpec> ReadSpec(const std::string& text, const ImageForm& form, bool edited) {
  if (form.options && !form.format.empty()) return Refusal(kImageOptsExclusive);
  vmm::ImageSpec spec;
  if (!IsDescription(text, form.options)) {
    spec.path = text;
    spec.format = form.format;
    return spec;
  }
  INSTAR_ASSIGN_OR_RETURN(ImageChain chain, ReadDescription(text, form.options, form.format));
  ImageNode& top = chain.nodes.front();
  if (edited && top.read_only) return CouldNotOpen(text, "Block node is read-only");
  if (edited && top.force_share) {
    return CouldNotOpen(text, "force-share=on can only be used with read-only images");
  }
  if (top.window) spec.name = NameOfWindow(top);
  spec.path = std::move(top.path);
  spec.format = std::move(top.driver);
  spec.window = top.window;
  spec.force_share = top.force_share;
  spec.backing_ends = chain.ends;
  for (std::size_t i = 1; i < chain.nodes.size(); ++i) {
    ImageNode& node = chain.nodes[i];
    spec.backing.push_back({.path = std::move(node.path),
                            .format = std::move(node.driver),
                            .window = node.window,
                            .force_share = node.force_share});
  }
  return spec;
}

}  // namespace

OrStop<vmm::ImageSpec> ReadImageSpec(const std::string& text, const ImageForm& form) {
  return ReadSpec(text, form, /*edited=*/false);
}

OrStop<vmm::ImageSpec> ReadEditedImageSpec(const std::string& text, const ImageForm& form) {
  return ReadSpec(text, form, /*edited=*/true);
}

OrStop<TargetSpec> ReadTargetSpec(const std::string& text, bool image_opts,
                                  const std::string& format) {
  if (!IsDescription(text, image_opts)) return TargetSpec{.path = text, .format = format};
  INSTAR_ASSIGN_OR_RETURN(ImageChain chain,
                          ReadDescription(text, image_opts, image_opts ? "" : format));
  ImageNode& top = chain.nodes.front();
  if (chain.nodes.size() > 1 || chain.ends) {
    return CouldNotOpen(text, "the backing file of an image that is written cannot be chosen");
  }
  if (top.read_only) return CouldNotOpen(text, "Block node is read-only");
  if (top.force_share) {
    return CouldNotOpen(text, "an image that is written cannot be shared with other writers");
  }
  if (top.driver.empty()) {
    return CouldNotOpen(text, "the driver of an image that is written must be stated");
  }
  if (top.driver == "file" || top.driver == "host_device") top.driver = "raw";
  if (top.window && top.driver != "raw") {
    return CouldNotOpen(text, "only raw images have an offset and a size");
  }
  return TargetSpec{
      .path = std::move(top.path), .format = std::move(top.driver), .window = top.window};
}

}  // namespace instar::cli
