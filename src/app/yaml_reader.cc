#include "app/yaml_reader.h"

#include <charconv>
#include <fstream>

#include "base/money.h"

namespace tg {
namespace {

int line_of(const YAML::Node& node) {
    return node.Mark().line + 1;
}

/// A number and the unit behind it.
bool split_unit(const std::string& text, std::int64_t* number, std::string* unit) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *number);
    if (parsed.ec != std::errc{}) return false;
    *unit = std::string(parsed.ptr, text.data() + text.size());
    return true;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t cost = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, cost}));
        }
    }
    return row[b.size()];
}

}  // namespace

YamlReader::YamlReader(YAML::Node node, std::string path, EnvLookup env,
                       std::vector<ConfigProblem>* problems)
    : node_(node), path_(std::move(path)), env_(env), problems_(problems) {
    if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
        problem_at(node_, (path_.empty() ? "the file" : "'" + path_ + "'") +
                              " must be a mapping of keys to values");
        node_ = YAML::Node();
    }
}

YamlReader::~YamlReader() {
    if (!node_.IsMap()) return;
    std::set<std::string> seen;
    for (const auto& entry : node_) {
        const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
        if (!seen.insert(key).second) {
            problem_at(entry.first, "key '" + path_ + key + "' stands here a second time");
            continue;
        }
        if (known_.contains(key)) continue;
        std::string text = "key '" + path_ + key + "' is not known";
        std::string best;
        std::size_t best_distance = 4;
        for (const std::string& candidate : known_) {
            if (const std::size_t distance = edit_distance(key, candidate);
                distance < best_distance) {
                best_distance = distance;
                best = candidate;
            }
        }
        if (!best.empty()) text += "; did you mean '" + best + "'?";
        problem_at(entry.first, text);
    }
}

int YamlReader::line() const {
    return line_of(node_);
}

void YamlReader::problem_at(const YAML::Node& node, std::string text) {
    problems_->push_back({node.Mark().is_null() ? 0 : line_of(node), std::move(text)});
}

void YamlReader::problem(const char* key, std::string text) {
    YAML::Node node;
    if (find(key, &node))
        problem_at(node, std::move(text));
    else
        problems_->push_back({node_.IsMap() ? line_of(node_) : 0, std::move(text)});
}

bool YamlReader::has(const char* key) const {
    return node_.IsMap() && node_[key].IsDefined();
}

bool YamlReader::find(const char* key, YAML::Node* out) {
    known_.insert(key);
    if (!node_.IsMap()) return false;
    const YAML::Node found = static_cast<const YAML::Node&>(node_)[key];
    if (!found.IsDefined() || found.IsNull()) return false;
    out->reset(found);
    return true;
}

std::string YamlReader::expand(const YAML::Node& node) {
    const std::string& raw = node.Scalar();
    std::string out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '$' || i + 1 == raw.size()) {
            out.push_back(raw[i]);
            continue;
        }
        if (raw[i + 1] == '$') {
            out.push_back('$');
            ++i;
            continue;
        }
        const std::size_t end = raw[i + 1] == '{' ? raw.find('}', i) : std::string::npos;
        if (end == std::string::npos) {
            out.push_back('$');
            continue;
        }
        std::string name = raw.substr(i + 2, end - i - 2);
        std::string fallback;
        bool has_fallback = false;
        if (const std::size_t dash = name.find(":-"); dash != std::string::npos) {
            fallback = name.substr(dash + 2);
            name.resize(dash);
            has_fallback = true;
        }
        const char* value = env_(name.c_str());
        if (value != nullptr && *value != '\0')
            out.append(value);
        else if (has_fallback)
            out.append(fallback);
        else
            problem_at(node, "environment variable '" + name + "' is not set; set it, or write ${" +
                                 name + ":-default}");
        i = end;
    }
    return out;
}

bool YamlReader::scalar(const char* key, std::string* out, YAML::Node* node) {
    if (!find(key, node)) return false;
    if (!node->IsScalar()) {
        problem_at(*node, "'" + path_ + key + "' must be a single value");
        return false;
    }
    *out = expand(*node);
    return true;
}

void YamlReader::text(const char* key, std::string* out) {
    YAML::Node node;
    std::string value;
    if (scalar(key, &value, &node)) *out = value;
}

void YamlReader::secret(const char* key, std::string* out) {
    const std::string file_key = std::string(key) + "_file";
    text(key, out);
    YAML::Node node;
    std::string file;
    if (!scalar(file_key.c_str(), &file, &node)) return;
    if (has(key)) {
        problem_at(node,
                   "'" + path_ + key + "' and '" + path_ + file_key + "' are both set; keep one");
        return;
    }
    std::ifstream in(file);
    if (!in || !std::getline(in, *out) || out->empty()) {
        problem_at(node,
                   "'" + path_ + file_key + "': file '" + file + "' cannot be read or is empty");
    }
    while (!out->empty() && (out->back() == '\r' || out->back() == ' ')) out->pop_back();
}

void YamlReader::integer(const char* key, std::int64_t low, std::int64_t high, std::int64_t* out) {
    YAML::Node node;
    std::string value;
    if (!scalar(key, &value, &node)) return;
    std::int64_t number = 0;
    std::string unit;
    if (!split_unit(value, &number, &unit) || !unit.empty() || number < low || number > high) {
        problem_at(node, "'" + path_ + key + "': '" + value + "' is not a whole number from " +
                             std::to_string(low) + " to " + std::to_string(high));
        return;
    }
    *out = number;
}

void YamlReader::boolean(const char* key, bool* out) {
    YAML::Node node;
    std::string value;
    if (!scalar(key, &value, &node)) return;
    if (value == "true" || value == "yes" || value == "on")
        *out = true;
    else if (value == "false" || value == "no" || value == "off")
        *out = false;
    else
        problem_at(node, "'" + path_ + key + "': '" + value + "' is not true or false");
}

void YamlReader::duration(const char* key, std::int64_t low_ms, std::int64_t high_ms,
                          std::int64_t* out_ms) {
    YAML::Node node;
    std::string value;
    if (!scalar(key, &value, &node)) return;
    std::int64_t number = 0;
    std::string unit;
    std::int64_t factor = 0;
    if (split_unit(value, &number, &unit)) {
        if (unit == "ms")
            factor = 1;
        else if (unit == "s")
            factor = 1000;
        else if (unit == "m")
            factor = 60'000;
        else if (unit == "h")
            factor = 3'600'000;
    }
    if (factor == 0 || number < 0 || number > INT64_MAX / 3'600'000 || number * factor < low_ms ||
        number * factor > high_ms) {
        problem_at(node, "'" + path_ + key + "': '" + value + "' is not a duration from " +
                             std::to_string(low_ms) + "ms to " + std::to_string(high_ms) +
                             "ms; write 250ms, 30s, 5m or 1h");
        return;
    }
    *out_ms = number * factor;
}

void YamlReader::size(const char* key, std::int64_t low, std::int64_t high, std::int64_t* out) {
    YAML::Node node;
    std::string value;
    if (!scalar(key, &value, &node)) return;
    std::int64_t number = 0;
    std::string unit;
    std::int64_t factor = 0;
    if (split_unit(value, &number, &unit)) {
        if (unit.empty() || unit == "B")
            factor = 1;
        else if (unit == "KB")
            factor = 1 << 10;
        else if (unit == "MB")
            factor = 1 << 20;
        else if (unit == "GB")
            factor = 1 << 30;
    }
    if (factor == 0 || number < 0 || number > (INT64_MAX >> 30) || number * factor < low ||
        number * factor > high) {
        problem_at(node, "'" + path_ + key + "': '" + value + "' is not a size from " +
                             std::to_string(low) + " to " + std::to_string(high) +
                             " bytes; write 64KB, 16MB or 1GB");
        return;
    }
    *out = number * factor;
}

void YamlReader::decimal(const char* key, int scale, std::int64_t low, std::int64_t high,
                         std::int64_t* out) {
    YAML::Node node;
    std::string value;
    if (!scalar(key, &value, &node)) return;
    const Result<int128> parsed = parse_scaled(value, scale);
    if (!parsed.ok() || *parsed < low || *parsed > high) {
        problem_at(node, "'" + path_ + key + "': '" + value + "' is not a decimal number from " +
                             format_scaled(low, scale, 0) + " to " + format_scaled(high, scale, 0));
        return;
    }
    *out = static_cast<std::int64_t>(*parsed);
}

void YamlReader::choice(const char* key, const std::vector<std::string_view>& names,
                        const std::function<void(std::size_t)>& chosen) {
    YAML::Node node;
    std::string value;
    if (!scalar(key, &value, &node)) return;
    std::string all;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == value) {
            chosen(i);
            return;
        }
        all.append(i == 0 ? "" : ", ").append(names[i]);
    }
    problem_at(node, "'" + path_ + key + "': '" + value + "' is not one of: " + all);
}

void YamlReader::section(const char* key, const std::function<void(YamlReader&)>& read) {
    YAML::Node node;
    find(key, &node);
    YamlReader inner(node, path_ + key + ".", env_, problems_);
    read(inner);
}

void YamlReader::items(const char* key,
                       const std::function<void(const YAML::Node&, const std::string&)>& read) {
    YAML::Node node;
    if (!find(key, &node)) return;
    if (!node.IsSequence()) {
        problem_at(node, "'" + path_ + key + "' must be a list");
        return;
    }
    for (std::size_t i = 0; i < node.size(); ++i) {
        read(static_cast<const YAML::Node&>(node)[i], path_ + key + "[" + std::to_string(i) + "].");
    }
}

void YamlReader::entries(const char* key,
                         const std::function<void(const std::string&, const YAML::Node&)>& read) {
    YAML::Node node;
    if (!find(key, &node)) return;
    if (!node.IsMap()) {
        problem_at(node, "'" + path_ + key + "' must be a mapping of names");
        return;
    }
    for (const auto& entry : node) {
        if (entry.first.IsScalar())
            read(entry.first.Scalar(), entry.second);
        else
            problem_at(entry.first, "'" + path_ + key + "': a name must be a single value");
    }
}

void YamlReader::list(const char* key, const std::function<void(YamlReader&)>& read) {
    items(key, [&](const YAML::Node& node, const std::string& path) {
        YamlReader inner(node, path, env_, problems_);
        read(inner);
    });
}

}  // namespace tg
