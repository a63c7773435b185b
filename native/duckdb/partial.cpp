#include "partial.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include "settings.h"
#include "text.h"

namespace hinge_embedding_loss::duckdb {

namespace {

bool is_digit(char character) { return character >= '0' && character <= '9'; }

void append_utf8(std::string& text, uint32_t point) {
  const auto append = [&](uint32_t byte) { text += static_cast<char>(byte); };
  if (point < 0x80) return append(point);
  if (point < 0x800) {
    append(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      append(0xe0 | point >> 12);
    } else {
      append(0xf0 | point >> 18);
      append(0x80 | (point >> 12 & 0x3f));
    }
    append(0x80 | (point >> 6 & 0x3f));
  }
  append(0x80 | (point & 0x3f));
}

// Reads JSON values whose types are known in advance.
class Reader {
 public:
  struct Member {
    std::string_view name;
    std::function<bool(Reader&)> read;
    bool is_optional = false;
  };

  explicit Reader(std::string_view text) : rest_(text) {}

  // An object of these members only, in any order. As in JSON.parse, the last of equal names counts.
  bool read_object(std::initializer_list<Member> members) {
    std::vector<bool> is_read(members.size());
    if (!skip_token('{')) return false;
    do {
      std::string name;
      if (!read(name) || !skip_token(':')) return false;
      size_t i = 0;
      while (i < members.size() && members.begin()[i].name != name) i++;
      if (i == members.size() || !members.begin()[i].read(*this)) return false;
      is_read[i] = true;
    } while (skip_token(','));
    for (size_t i = 0; i < members.size(); i++) {
      if (!is_read[i] && !members.begin()[i].is_optional) return false;
    }
    return skip_token('}');
  }

  bool read(double& number) {
    skip_space();
    const std::string_view begin = rest_;
    skip('-');
    if (!skip('0') && !skip_digits()) return false;
    if (skip('.') && !skip_digits()) return false;
    if (skip('e') || skip('E')) {
      if (!skip('+')) skip('-');
      if (!skip_digits()) return false;
    }
    number = parse_number(std::string(begin.substr(0, begin.size() - rest_.size())));
    return true;
  }

  bool read(uint64_t& count) {
    double number;
    if (!read(number) || !(number >= 0 && number <= static_cast<double>(kMaxElements))) return false;
    count = static_cast<uint64_t>(number);
    return static_cast<double>(count) == number;
  }

  bool read(std::string& text) {
    text.clear();
    if (!skip_token('"')) return false;
    while (!skip('"')) {
      if (rest_.empty() || static_cast<unsigned char>(rest_[0]) < 0x20) return false;
      if (skip('\\')) {
        if (!read_escape(text)) return false;
      } else {
        text += rest_[0];
        rest_.remove_prefix(1);
      }
    }
    return true;
  }

  bool is_at_end() {
    skip_space();
    return rest_.empty();
  }

 private:
  bool skip(char expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool skip_token(char expected) {
    skip_space();
    return skip(expected);
  }

  bool skip_digits() {
    size_t count = 0;
    while (count < rest_.size() && is_digit(rest_[count])) count++;
    rest_.remove_prefix(count);
    return count > 0;
  }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }

  // The characters after a backslash.
  bool read_escape(std::string& text) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kCharacters = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) return false;
    if (skip('u')) {
      uint32_t point, low;
      if (!read_unit(point)) return false;
      if (point >= 0xd800 && point < 0xdc00 && rest_.starts_with("\\u")) {
        const std::string_view after_high = rest_;
        rest_.remove_prefix(2);
        if (!read_unit(low)) return false;
        if (low >= 0xdc00 && low < 0xe000) {
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        } else {
          rest_ = after_high;
        }
      }
      append_utf8(text, point);
      return true;
    }
    const size_t name = kNames.find(rest_[0]);
    if (name == std::string_view::npos) return false;
    text += kCharacters[name];
    rest_.remove_prefix(1);
    return true;
  }

  // Four hexadecimal digits.
  bool read_unit(uint32_t& unit) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    unit = 0;
    if (rest_.size() < 4) return false;
    for (size_t i = 0; i < 4; i++) {
      const char lower = rest_[i] >= 'A' && rest_[i] <= 'F' ? static_cast<char>(rest_[i] + 32) : rest_[i];
      const size_t digit = kDigits.find(lower);
      if (digit == std::string_view::npos) return false;
      unit = unit << 4 | static_cast<uint32_t>(digit);
    }
    rest_.remove_prefix(4);
    return true;
  }

  std::string_view rest_;
};

template <class Value>
Reader::Member member(std::string_view name, Value& value) {
  return {name, [&value](Reader& reader) { return reader.read(value); }};
}

}  // namespace

bool is_valid(const Partial& partial) {
  const Counts& counts = partial.counts();
  for (const uint64_t count : {counts.positives, counts.negatives, counts.others}) {
    if (count > kMaxElements) return false;
  }
  const bool is_possible = partial.weighted ? partial.weighted->is_possible() : partial.totals.is_possible();
  return counts.size() <= kMaxElements && is_possible &&
         (counts.others == 0 || partial.settings.policy != OtherLabelPolicy::kError);
}

char* write_json(char* at, const Partial& partial) {
  const Counts& counts = partial.counts();
  const Settings& settings = partial.settings;
  const auto write_sum = [&](int c) {
    at = write_text(at, R"(,"sum":")");
    at = partial.weighted ? partial.weighted->sums[c].write_text(at) : partial.totals.sums[c].write_text(at);
  };
  at = write_number(write_text(at, R"({"version":1,"margin":)"), settings.margin);
  at = write_integer(write_text(at, R"(,"positiveLabel":)"), settings.positive_label);
  at = write_integer(write_text(at, R"(,"negativeLabel":)"), settings.negative_label);
  at = write_text(write_text(at, R"(,"otherLabels":")"), name_of(settings.policy));
  at = write_integer(write_text(at, R"(","positives":{"count":)"), counts.positives);
  write_sum(0);
  at = write_integer(write_text(at, R"("},"negatives":{"count":)"), counts.negatives);
  write_sum(1);
  at = write_integer(write_text(at, R"(","active":)"), counts.active);
  at = write_integer(write_text(at, R"(},"others":)"), counts.others);
  if (partial.weighted) {
    const ExactSum* const weights = partial.weighted->weights;
    at = weights[2].write_text(write_text(at, R"(,"weights":{"positives":")"));
    at = weights[0].write_text(write_text(at, R"(","negatives":")"));
    at = weights[1].write_text(write_text(at, R"(","others":")"));
    at = write_text(at, R"("})");
  }
  return write_text(at, "}");
}

bool from_json(std::string_view text, Partial& partial) {
  Reader reader(text);
  Counts counts;
  double version, margin, positive_label, negative_label;
  std::string policy_name, sums[2], weights[3];
  const auto read_positives = [&](Reader& inner) {
    return inner.read_object({member("count", counts.positives), member("sum", sums[0])});
  };
  const auto read_negatives = [&](Reader& inner) {
    return inner.read_object(
        {member("count", counts.negatives), member("sum", sums[1]), member("active", counts.active)});
  };
  const auto read_weights = [&](Reader& inner) {
    partial.weighted.emplace();
    return inner.read_object(
        {member("positives", weights[2]), member("negatives", weights[0]), member("others", weights[1])});
  };
  partial.weighted.reset();
  const bool is_read = reader.read_object({
      member("version", version),
      member("margin", margin),
      member("positiveLabel", positive_label),
      member("negativeLabel", negative_label),
      member("otherLabels", policy_name),
      {"positives", read_positives},
      {"negatives", read_negatives},
      member("others", counts.others),
      {"weights", read_weights, true},
  });
  if (!is_read || !reader.is_at_end() || version != 1) return false;
  const auto read_totals = [&]<class AnyTotals>(AnyTotals& totals) {
    static_cast<Counts&>(totals) = counts;
    using Sum = std::remove_reference_t<decltype(totals.sums[0])>;
    return Sum::from_text(sums[0], totals.sums[0]) && Sum::from_text(sums[1], totals.sums[1]);
  };
  if (!(partial.weighted ? read_totals(*partial.weighted) : read_totals(partial.totals))) return false;
  for (int k = 0; partial.weighted && k < 3; k++) {
    if (!ExactSum::from_text(weights[k], partial.weighted->weights[k])) return false;
  }
  const std::string error =
      read_settings(margin, positive_label, negative_label, policy_name, partial.settings);
  return error.empty() && is_valid(partial);
}

}  // namespace hinge_embedding_loss::duckdb
