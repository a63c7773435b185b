#include "partial.h"

#include <algorithm>
#include <charconv>

namespace hinge_embedding_loss {

namespace {

// Reads JSON of one known structure, token by token.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // The tokens of `expected`, which has no white space.
  bool skip(std::string_view expected) {
    for (const char each : expected) {
      const bool is_inside_name = in_name_;
      if (each == '"') in_name_ = !in_name_;
      if (!is_inside_name) skip_space();
      if (!rest_.starts_with(each)) return false;
      rest_.remove_prefix(1);
    }
    return true;
  }

  bool read(double& number) {
    skip_space();
    const size_t length = std::min(rest_.find_first_not_of("+-.0123456789Ee"), rest_.size());
    const char* end = rest_.data() + length;
    if (rest_.starts_with('+')) return false;
    const auto [stop, error] = std::from_chars(rest_.data(), end, number);
    rest_.remove_prefix(length);
    return error == std::errc() && stop == end;
  }

  bool read(uint64_t& count) {
    double number;
    if (!read(number) || !(number >= 0 && number <= static_cast<double>(kSizeMax))) return false;
    count = static_cast<uint64_t>(number);
    return static_cast<double>(count) == number;
  }

  bool read(std::string_view& text) {
    skip_space();
    if (!rest_.starts_with('"')) return false;
    const size_t end = rest_.find('"', 1);
    if (end == std::string_view::npos) return false;
    text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool read(ExactSum& sum) {
    std::string_view text;
    return read(text) && ExactSum::from_text(text, sum);
  }

  bool is_at_end() {
    skip_space();
    return rest_.empty();
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }

  std::string_view rest_;
  bool in_name_ = false;
};

}  // namespace

std::string to_json(const Partial& partial) {
  const Totals& totals = partial.totals;
  const auto& [settings, policy] = partial.scoring;
  std::string text = R"({"version":1,"margin":)" + number_text(settings.margin);
  text += R"(,"positiveLabel":)" + std::to_string(settings.positive_label);
  text += R"(,"negativeLabel":)" + std::to_string(settings.negative_label);
  text += R"(,"otherLabels":")";
  text += kPolicyNames[static_cast<size_t>(policy)];
  text += R"(","positives":{"count":)" + std::to_string(totals.positives);
  text += R"(,"sum":")" + totals.sums[0].to_text();
  text += R"("},"negatives":{"count":)" + std::to_string(totals.negatives);
  text += R"(,"sum":")" + totals.sums[1].to_text();
  text += R"(","active":)" + std::to_string(totals.active);
  return text + R"(},"others":)" + std::to_string(totals.others) + "}";
}

bool from_json(std::string_view text, Partial& partial) {
  Scanner scanner(text);
  Totals& totals = partial.totals;
  totals = {};
  double margin, positive_label, negative_label;
  std::string_view policy_name;
  const bool is_json = scanner.skip(R"({"version":1,"margin":)") && scanner.read(margin) &&
                       scanner.skip(R"(,"positiveLabel":)") && scanner.read(positive_label) &&
                       scanner.skip(R"(,"negativeLabel":)") && scanner.read(negative_label) &&
                       scanner.skip(R"(,"otherLabels":)") && scanner.read(policy_name) &&
                       scanner.skip(R"(,"positives":{"count":)") && scanner.read(totals.positives) &&
                       scanner.skip(R"(,"sum":)") && scanner.read(totals.sums[0]) &&
                       scanner.skip(R"(},"negatives":{"count":)") && scanner.read(totals.negatives) &&
                       scanner.skip(R"(,"sum":)") && scanner.read(totals.sums[1]) &&
                       scanner.skip(R"(,"active":)") && scanner.read(totals.active) &&
                       scanner.skip(R"(},"others":)") && scanner.read(totals.others) && scanner.skip("}") &&
                       scanner.is_at_end();
  if (!is_json || !totals.is_possible() || totals.size() > kSizeMax) return false;
  return read_scoring(margin, positive_label, negative_label, policy_name, partial.scoring).empty() &&
         (totals.others == 0 || partial.scoring.policy != OtherLabelPolicy::kError);
}

}  // namespace hinge_embedding_loss
