#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments_test.h"
#include "cli/commands.h"

namespace instar::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

OrStop<ConvertCommand> Read(const std::string& line) {
  return ReadLine<ConvertCommand>("convert", line);
}

vmm::ConvertOptions Options(const std::string& line) {
  const auto command = Read(line);
  EXPECT_TRUE(command) << line << ": " << command.error().text;
  return command ? command->options : vmm::ConvertOptions{};
}

TEST(ConvertArguments, TheLastFileIsTheTarget) {
  const auto options = Options("a b c");
  ASSERT_EQ(options.sources.size(), 2u);
  EXPECT_EQ(options.sources[0].path, "a");
  EXPECT_EQ(options.sources[1].path, "b");
  EXPECT_EQ(options.target, "c");
}

TEST(ConvertArguments, DefaultsAreThoseOfQemuImg) {
  const auto options = Options("a b");
  EXPECT_EQ(options.sources.front().format, "");
  EXPECT_EQ(options.target_format, "raw");
  EXPECT_EQ(options.target_options, "");
  EXPECT_FALSE(options.zero_run_bytes.has_value());
  EXPECT_EQ(options.rate_limit_bytes_per_second, 0u);
  EXPECT_EQ(options.source_cache, vmm::CacheMode::kWriteback);
  EXPECT_EQ(options.target_cache, vmm::CacheMode::kUnsafe);
  EXPECT_FALSE(options.compress || options.keep_target || options.target_is_zero ||
               options.salvage || options.bitmaps || options.skip_broken_bitmaps ||
               options.out_of_order || options.force_share);
}

TEST(ConvertArguments, TheLevelOfCompressionIsAnOptionOfTheTarget) {
  EXPECT_EQ(Options("-O qcow2 -c --compress-level 7 a b").target_options, "compression_level=7");
  EXPECT_EQ(Options("-O qcow2 -c -o cluster_size=4k --compress-level=1 a b").target_options,
            "cluster_size=4k,compression_level=1");
  EXPECT_EQ(Options("-O vmdk -o subformat=streamOptimized --compress-level=3 a b").target_options,
            "subformat=streamOptimized,compression_level=3");
  EXPECT_EQ(Options("-O qcow2 -c --compress-level=9 -o compression_level=9 a b").target_options,
            "compression_level=9");
}

TEST(ConvertArguments, TwoLevelsOfCompressionMustAgree) {
  for (const char* line :
       {"-O qcow2 -c --compress-level=9 -o compression_level=8 a b",
        "-O qcow2 -c --compress-level=0 a b", "-O qcow2 -c --compress-level=10 a b",
        "-O qcow2 -c --compress-level=x a b", "-O qcow2 -c --compress-level=+3 a b",
        "-O qcow2 -c --compress-level=0x3 a b", "-n -O qcow2 -c --compress-level=5 a b",
        "-O qcow2 --compress-level=5 a b", "-O raw --compress-level=5 a b"}) {
    const auto command = Read(line);
    ASSERT_FALSE(command) << line;
    EXPECT_THAT(command.error().text, HasSubstr("compress")) << line;
  }
}

TEST(ConvertArguments, BothSpellingsOfEachOptionAreTaken) {
  for (const char* line :
       {"-f qcow2 -O qcow2 -c -o cluster_size=4k -l s1 -B base -F raw -S 8k -t none -T directsync "
        "-r 1M -U --bitmaps --skip-broken-bitmaps --salvage a b",
        "--source-format=qcow2 --target-format=qcow2 --compress "
        "--target-format-options=cluster_size=4k --snapshot=s1 --backing=base "
        "--backing-format=raw --sparse-size=8k --target-cache=none --source-cache=directsync "
        "--rate-limit=1M --force-share --bitmaps --skip-broken-bitmaps --salvage a b",
        "a -cUfqcow2 -Oqcow2 -ocluster_size=4k -ls1 -b base -Fraw -S8k -tnone -Tdirectsync -r1M "
        "--bitmaps --skip --salv b"}) {
    const auto options = Options(line);
    EXPECT_EQ(options.sources.front().format, "qcow2") << line;
    EXPECT_EQ(options.target_format, "qcow2") << line;
    EXPECT_EQ(options.target_options, "cluster_size=4k") << line;
    EXPECT_EQ(options.snapshot.id_or_name, "s1") << line;
    EXPECT_EQ(options.backing_file, "base") << line;
    EXPECT_EQ(options.backing_format, "raw") << line;
    EXPECT_EQ(options.zero_run_bytes, 8192u) << line;
    EXPECT_EQ(options.target_cache, vmm::CacheMode::kNone) << line;
    EXPECT_EQ(options.source_cache, vmm::CacheMode::kDirectsync) << line;
    EXPECT_EQ(options.rate_limit_bytes_per_second, 1u << 20) << line;
    EXPECT_TRUE(options.compress && options.force_share && options.bitmaps &&
                options.skip_broken_bitmaps && options.salvage)
        << line;
    EXPECT_EQ(options.target, "b") << line;
  }
}

TEST(ConvertArguments, KeepingTheTargetAndItsCompanionsAreTaken) {
  for (const char* line :
       {"-n --target-is-zero -W -C a b",
        "--no-create --target-is-zero --oob-writes --copy-range-offloading a b"}) {
    const auto options = Options(line);
    EXPECT_TRUE(options.keep_target && options.target_is_zero && options.out_of_order) << line;
  }
}

TEST(ConvertArguments, RepeatedOptionListsAreJoined) {
  EXPECT_EQ(Options("-O qcow2 -o cluster_size=4k -o compat=1.1,lazy_refcounts a b").target_options,
            "cluster_size=4k,compat=1.1,lazy_refcounts");
}

TEST(ConvertArguments, SnapshotsAreChosenByIdOrName) {
  EXPECT_EQ(Options("-l s1 a b").snapshot.id_or_name, "s1");
  EXPECT_EQ(Options("-l snapshot.id=1 a b").snapshot.id, "1");
  EXPECT_EQ(Options("-l snapshot.id=1 a b").snapshot.name, "");
  EXPECT_EQ(Options("-l snapshot.name=x,,y a b").snapshot.name, "x,y");
  const vmm::SnapshotChoice both = Options("-l snapshot.name=x,snapshot.id=1 a b").snapshot;
  EXPECT_EQ(both.id, "1");
  EXPECT_EQ(both.name, "x");
  EXPECT_EQ(both.id_or_name, "");
}

TEST(ConvertArguments, QuietSuppressesProgress) {
  EXPECT_TRUE(Read("-p a b")->progress);
  EXPECT_FALSE(Read("-pq a b")->progress);
  EXPECT_FALSE(Read("-q --progress a b")->progress);
}

TEST(ConvertArguments, CacheModesHaveTheNamesOfQemu) {
  EXPECT_EQ(Options("-t writeback a b").target_cache, vmm::CacheMode::kWriteback);
  EXPECT_EQ(Options("-t writethrough a b").target_cache, vmm::CacheMode::kWritethrough);
  EXPECT_EQ(Options("-t off a b").target_cache, vmm::CacheMode::kNone);
  EXPECT_EQ(Options("-t unsafe a b").target_cache, vmm::CacheMode::kUnsafe);
}

// The first thing wrong in the order in which qemu-img 7.2 looks, in its words.
TEST(ConvertArguments, MistakesAreToldAsByQemuImg) {
  const char* const kSparse =
      "Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to "
      "16777216. Select 0 to disable sparse detection (fully allocates output).";
  const char* const kCoroutines =
      "Invalid number of coroutines. Allowed number of coroutines is between 1 and 16";
  struct Case {
    const char* line;
    const char* text;
  };
  const Case kCases[] = {
      {"", "Must specify image file name"},
      {"a", "Must specify image file name"},
      {"-f raw", "Must specify image file name"},
      {"-n -o size=3 a b", "-o has no effect when skipping image creation"},
      {"-t foo -n -o a=b x", "-o has no effect when skipping image creation"},
      {"--target-is-zero a b", "--target-is-zero requires use of -n flag"},
      {"-S 5 a b", kSparse},
      {"-S 513 a b", kSparse},
      {"-S 16777728 a b", kSparse},
      {"-S 5 -Z a b", kSparse},
      {"-Z -S 5 a b", "invalid option -- 'Z'"},
      {"-m 0 a b", kCoroutines},
      {"-m 17 a b", kCoroutines},
      {"-m x a b", kCoroutines},
      {"-m 1k a b", kCoroutines},
      {"-C -c a b", "Cannot enable copy offloading when -c is used"},
      {"-C -S 4k a b", "Cannot enable copy offloading when -S is used"},
      {"-c -C -S 4k a b", "Cannot enable copy offloading when -c is used"},
      {"-C --salvage a b", "Cannot use copy offloading in salvaging mode"},
      {"-C -c nofile", "Cannot enable copy offloading when -c is used"},
      {"-W -c a b", "Cannot write out of order (-W) when -c is used"},
      {"--target-is-zero --skip-broken-bitmaps -C -c a b",
       "Use of --skip-broken-bitmaps requires --bitmaps"},
      {"--target-is-zero -C --salvage a b", "Cannot use copy offloading in salvaging mode"},
      {"-n -o q=1 -C -c a b", "Cannot enable copy offloading when -c is used"},
      {"-t foo a b", "Invalid cache option: foo"},
      {"-T foo a b", "Invalid source cache option: foo"},
      {"-o '' a b", "Invalid option list: "},
      {"-o size=1k, a b", "Invalid option list: size=1k,"},
      {"-l s a b c", "No support for concatenating multiple snapshot"},
      {"-l '' a b", "Failed to load snapshot: Can't find snapshot"},
      {"-l snapshot.foo=s a b", "Failed in parsing snapshot param 'snapshot.foo=s'"},
      {"-O nope -o help", "Unknown file format 'nope'"},
      {"-O vdi -o help", "Writing format 'vdi' is not available in this version"},
      {"--target-image-opts a b", "--target-image-opts requires use of -n flag"},
      {"--target-image-opts -n -O raw a b", "--image-opts and --format are mutually exclusive"},
      {"--image-opts -f raw a b", "--image-opts and --format are mutually exclusive"},
      {"-l snapshot.id=1,snapshot.name= a b", "Failed to load snapshot: Can't find snapshot"},
      {"--object secret a b", "--object is not available in this version"},
  };
  for (const Case& c : kCases) {
    const auto command = Read(c.line);
    ASSERT_FALSE(command) << c.line;
    EXPECT_EQ(command.error().text, c.text) << c.line;
    EXPECT_NE(command.error().kind, Stop::Kind::kAnswer) << c.line;
  }
}

TEST(ConvertArguments, OptionHelpNeedsNoFilesAndWinsOverOtherOptions) {
  for (const char* line :
       {"-O qcow2 -o help", "-O qcow2 -o ? a b", "-O qcow2 -o compat=1.1,help a b",
        "-O qcow2 -o cluster_size=1k -o help"}) {
    const auto command = Read(line);
    ASSERT_FALSE(command) << line;
    EXPECT_EQ(command.error().kind, Stop::Kind::kAnswer) << line;
    EXPECT_THAT(command.error().text, HasSubstr("Supported qcow2 options:\n")) << line;
    EXPECT_THAT(command.error().text, HasSubstr("\n  cluster_size=<size>    - ")) << line;
    EXPECT_THAT(command.error().text, HasSubstr("\n  data_file_raw=<bool (on/off)> - ")) << line;
  }
}

TEST(ConvertArguments, HelpNamesBothSpellings) {
  const auto command = Read("-h");
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().kind, Stop::Kind::kAnswer);
  for (const char* option : {"-f, --source-format FORMAT",
                             "-O, --target-format FORMAT",
                             "-o, --target-format-options",
                             "-c, --compress",
                             "-b, --backing FILE",
                             "-F, --backing-format",
                             "-n, --no-create",
                             "-S, --sparse-size",
                             "-m, --parallel N",
                             "-W, --oob-writes",
                             "-C, --copy-range-offloading",
                             "-r, --rate-limit",
                             "-U, --force-share",
                             "-p, --progress",
                             "-q, --quiet",
                             "--salvage",
                             "--target-is-zero",
                             "--bitmaps",
                             "--skip-broken-bitmaps",
                             "-t, --target-cache",
                             "-T, --source-cache",
                             "-l, --snapshot",
                             "--isolation auto|kvm|process|none"}) {
    EXPECT_THAT(command.error().text, HasSubstr(option));
  }
}

}  // namespace
}  // namespace instar::cli
