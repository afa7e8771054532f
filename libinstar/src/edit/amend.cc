// The verb `amend`: reads what the options ask for, in qemu-img's words, and has the format change
// the image.
#include "formats/amend.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "disk/chain_content.h"
#include "disk/host_workers.h"
#include "edit/edited_image.h"
#include "formats/base/formats.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/result_records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

// The version that the option asks for; nothing: as it is.
Result<std::optional<std::uint32_t>> ReadVersion(const OptionSetting* option) {
  if (option == nullptr) return std::nullopt;
  const std::string_view compat = option->text;
  if (compat == "0.10" || compat == "v2") return std::optional<std::uint32_t>(2);
  if (compat == "1.1" || compat == "v3") return std::optional<std::uint32_t>(3);
  return MakeTextError(ErrorCode::kInvalidArgument, "Unknown compatibility level {t}", compat);
}

std::optional<bool> ReadBoolean(OptionSettings settings, std::string_view name) {
  const OptionSetting* const found = FindSetting(settings, name);
  return found == nullptr ? std::nullopt : std::optional(found->number != 0);
}

std::optional<std::string_view> ReadText(OptionSettings settings, std::string_view name) {
  const OptionSetting* const found = FindSetting(settings, name);
  return found == nullptr ? std::nullopt : std::optional(found->text);
}

Result<AmendOptions> ReadOptions(OptionSettings settings) {
  AmendOptions options{.lazy_refcounts = ReadBoolean(settings, "lazy_refcounts"),
                       .data_file_name = ReadText(settings, "data_file"),
                       .data_file_raw = ReadBoolean(settings, "data_file_raw"),
                       .backing_file = ReadText(settings, "backing_file"),
                       .backing_format = ReadText(settings, "backing_fmt")};
  INSTAR_ASSIGN_OR_RETURN(options.version, ReadVersion(FindSetting(settings, "compat")));
  if (const OptionSetting* const bits = FindSetting(settings, "refcount_bits")) {
    options.refcount_bits = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(bits->number, std::numeric_limits<std::uint32_t>::max()));
  }
  if (const std::uint64_t bytes = SettingNumber(settings, "size", 0)) options.size_bytes = bytes;
  options.encryption = std::ranges::any_of(
      settings, [](const OptionSetting& setting) { return setting.name.starts_with("encrypt."); });
  return options;
}

}  // namespace

Status RunAmend(Host& host, const AmendRequest& request) {
  INSTAR_ASSIGN_OR_RETURN(const auto chain,
                          edit::OpenChain(host, request.image, request.max_chain_depth));
  const Layer& top = chain->layers().front();
  const FormatId format = top.reader->format();
  const std::uint64_t new_bytes = SettingNumber(request.options, "size", 0);
  RecordWriter records(host);
  AmendRecord told{
      .format = format,
      .shrinks = new_bytes != 0 && new_bytes < chain->virtual_size_bytes() && !request.shrink,
      .guessed_raw = request.image.format == FormatId::kUnknown && IsBareDisk(format),
      .unfit_footer = top.unfit_footer};
  Tell(records, told);
  // Told before anything is changed: what follows cannot fail for want of a listener.
  INSTAR_TRY(records.Finish());
  INSTAR_TRY(CheckCanAmend(format));
  if (request.only_look) return {};
  INSTAR_ASSIGN_OR_RETURN(AmendOptions options, ReadOptions(request.options));
  if (new_bytes > std::numeric_limits<std::int64_t>::max()) {
    return InvalidArgument("Image size cannot be negative");
  }
  INSTAR_TRY(edit::CheckDiskBytes(new_bytes));
  if (told.shrinks && new_bytes % 512 == 0) {  // else it is wrong, whether it shrinks or not
    return InvalidArgument("Use the --shrink option to perform a shrink operation.");
  }

  const auto named = [&](const Status& status) { return edit::On(status, request.image.device); };
  const auto data_file = edit::AttachDataFile(host, *chain, request.data_file);
  if (!data_file) return named(std::unexpected(data_file.error()));
  INSTAR_ASSIGN_OR_RETURN(HostDevice device, HostDevice::Open(host, request.image.device));
  disk::ChainContent content(host, *chain);
  disk::HostWorkers workers(host);
  options.format = format;
  options.device = &device;
  options.data_file = data_file->get();
  options.content = &content;
  options.backing_bytes = edit::BackingBytes(*chain);
  options.workers = &workers;
  return named(AmendImage(options));
}

}  // namespace instar
