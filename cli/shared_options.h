// What the command lines of several verbs have in common.
#ifndef CLI_SHARED_OPTIONS_H_
#define CLI_SHARED_OPTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "cli/image_spec.h"
#include "cli/option_rows.h"
#include "cli/stop.h"
#include "instar/vmm/convert.h"
#include "instar/vmm/image_spec.h"

namespace instar::cli {

// ---- rows

// Every verb has this one.
inline constexpr OptionRow kHelpRow = {"help,h", nullptr, "show this text", nullptr};

// Stops: for options of qemu-img that are not there yet.
OrStop<void> NotAvailable(GivenOption& given);
inline constexpr OptionRow kObjectRow = {
    "object", "DEFINITION", "", [](GivenOption& given, void*) { return NotAvailable(given); }};

inline constexpr const char* kForms = "human|json";
inline constexpr const char* kFormHelp = "print for people (human, the default) or for programs";

// The members lead to a bool.
template <auto... kMembers>
inline constexpr OptionRow kImageOptsRow = Flag<kMembers...>(
    "image-opts", "images are named by options: driver=FORMAT,file.filename=FILE,...");

template <auto... kMembers>
inline constexpr OptionRow kForceShareRow = Flag<kMembers...>(
    "force-share,U",
    "read images even while somebody writes to them; the result may be inconsistent");

// ---- values

// Whether --output asks for JSON.
OrStop<bool> ReadForm(std::string_view form);

inline constexpr Choice<vmm::CacheMode> kCacheModes[] = {
    {"writeback", vmm::CacheMode::kWriteback},
    {"none", vmm::CacheMode::kNone},
    {"writethrough", vmm::CacheMode::kWritethrough},
    {"directsync", vmm::CacheMode::kDirectsync},
    {"unsafe", vmm::CacheMode::kUnsafe},
};
// `what`, "cache" or "source cache", is named where there is no such mode.
OrStop<vmm::CacheMode> ReadCacheMode(std::string_view name, std::string_view what);

// Which internal snapshot -l means: an ID or a name, or one or both of "snapshot.id=ID" and
// "snapshot.name=NAME".
OrStop<vmm::SnapshotChoice> ReadSnapshot(const GivenOption& given);

template <auto... kMembers>
inline constexpr OptionRow kSnapshotRow = Value<ReadSnapshot, kMembers...>(
    "snapshot,l", "SNAPSHOT",
    "read this internal snapshot: an ID, a name, snapshot.id=ID, snapshot.name=NAME or both\n"
    "with a comma");

// Appends the option list of one -o to those before it.
OrStop<void> AddOptionList(std::string_view list, std::string& lists);
template <auto... kMembers>
consteval OptionRow OptionLists(const char* names, const char* help) {
  return {names, "NAME=VALUE,...", help, [](GivenOption& given, void* target) {
            return AddOptionList(given.value, MemberAt<kMembers...>(target));
          }};
}

template <auto kOptions, auto kShrink>
inline constexpr OptionRow kShrinkRow = Flag<kOptions, kShrink>(
    "shrink", "allow the disk to become smaller; what lies beyond its new end is lost");
template <auto... kMembers>
inline constexpr OptionRow kCacheRow =
    Text<kMembers...>("cache,t", kAlternatives<kCacheModes>.data(),
                      "how to write (default writeback); unsafe does not flush");

// ---- verbs that take one image and --output

struct OneImage {
  std::string name;  // as the user named or described it
  ImageForm form;
  std::string output = "human";
  bool json = false;

  // Takes the operands, and what --output says.
  OrStop<void> TakeOperands(std::vector<std::string> operands);
  // The image, once the operands are taken.
  [[nodiscard]] OrStop<vmm::ImageSpec> Spec() const { return ReadImageSpec(name, form); }
};

template <auto kImage>
inline constexpr OptionRow kFormatRow = Text<kImage, &OneImage::form, &ImageForm::format>(
    "format,f", "FORMAT",
    "take the image for this format instead of looking at its content; final, nothing is probed");
template <auto kImage>
inline constexpr OptionRow kOutputRow =
    Text<kImage, &OneImage::output>("output", kForms, kFormHelp);

}  // namespace instar::cli

#endif  // CLI_SHARED_OPTIONS_H_
