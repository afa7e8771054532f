// The proofs that the program prove runs.
#ifndef TESTS_CRASH_PROOFS_H_
#define TESTS_CRASH_PROOFS_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "crash/change.h"
#include "crash/crash_states.h"

namespace instar::crash {

struct ProofOptions {
  std::uint64_t seed = 1;
  std::uint64_t runs = ~std::uint64_t{0};  // that are made at most
  double seconds = 0;                      // after which no run begins; 0: no such end
  std::string only;                        // runs with this in their names; empty: all
  bool verbose = false;
  bool qemu = true;  // let qemu-img judge, too
};

// Counts what a proof does, and prints what goes wrong.
class ProofLog {
 public:
  ProofLog(std::string proof, const ProofOptions& options);

  // Whether another run may begin.
  [[nodiscard]] bool MayGoOn() const;
  [[nodiscard]] bool Wants(const std::string& name) const;
  void Begin(const std::string& name);
  void Failed(const std::string& name, const std::string& why);
  // The image cannot be changed so, and the program says that.
  void Refused(const std::string& name, const std::string& why);
  void Skipped(const std::string& why) { ++skips_[why]; }
  void Count(const std::string& what, std::uint64_t number) { counts_[what] += number; }
  void Count(const StateCounts& states);

  // Prints the counts; whether nothing failed and something was done.
  bool Finish() const;

 private:
  const std::string proof_;
  const ProofOptions& options_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::uint64_t runs_ = 0;
  std::uint64_t failures_ = 0;
  std::map<std::string, std::uint64_t> counts_;
  std::map<std::string, std::vector<std::string>> refusals_;  // the names of the runs
  std::map<std::string, std::uint64_t> skips_;
};

// Every crash of a change leaves the old image or the new one.
void ProveCrashes(const ChangeSet& changes, const ProofOptions& options, ProofLog& log);
// A repair of an image that is damaged at random leaves the damaged image or the repaired one, and
// everything that could be read.
void ProveRepair(const ChangeSet& changes, const ProofOptions& options, ProofLog& log);
// A change without one of its flushes, or with a write to something that is in use, is found out.
void ProveGuard(const ChangeSet& changes, const ProofOptions& options, ProofLog& log);
// A change of which a call fails leaves the old image or the new one, and says which.
void ProveFaults(const ChangeSet& changes, const ProofOptions& options, ProofLog& log);
// A file that is changed and changed back very often stays as long, and stores as much, as at
// first.
void ProveCycles(const ChangeSet& changes, const ProofOptions& options, ProofLog& log);

}  // namespace instar::crash

#endif  // TESTS_CRASH_PROOFS_H_
