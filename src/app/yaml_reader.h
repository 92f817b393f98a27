#pragma once
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"

namespace tg {

/// Reads one mapping of a YAML file strictly: each getter names its key once, wrong values and
/// unknown keys become problems with their line, and a missing key leaves the target as it is.
class YamlReader {
  public:
    YamlReader(YAML::Node node, std::string path, EnvLookup env,
               std::vector<ConfigProblem>* problems);
    /// Reports the keys that nobody asked for.
    ~YamlReader();
    YamlReader(const YamlReader&) = delete;
    YamlReader& operator=(const YamlReader&) = delete;

    void text(const char* key, std::string* out);
    /// The value itself, or the first line of the file that `key`_file names: for secrets.
    void secret(const char* key, std::string* out);
    void integer(const char* key, std::int64_t low, std::int64_t high, std::int64_t* out);
    void boolean(const char* key, bool* out);
    /// "250ms", "30s", "5m", "1h"; to milliseconds.
    void duration(const char* key, std::int64_t low_ms, std::int64_t high_ms, std::int64_t* out_ms);
    /// "64KB", "64MB", "1GB" (powers of 1024) or plain bytes.
    void size(const char* key, std::int64_t low, std::int64_t high, std::int64_t* out);
    /// A decimal number times 10^scale, exactly.
    void decimal(const char* key, int scale, std::int64_t low, std::int64_t high,
                 std::int64_t* out);
    void choice(const char* key, const std::vector<std::string_view>& names,
                const std::function<void(std::size_t)>& chosen);
    void section(const char* key, const std::function<void(YamlReader&)>& read);
    /// Each element of a list of mappings.
    void list(const char* key, const std::function<void(YamlReader&)>& read);
    /// Each element of a list that may be text or a mapping.
    void items(const char* key,
               const std::function<void(const YAML::Node&, const std::string& path)>& read);
    /// Each entry of a mapping whose keys are names of the user's.
    void entries(const char* key,
                 const std::function<void(const std::string& name, const YAML::Node&)>& read);

    bool has(const char* key) const;
    void problem(const char* key, std::string text);
    void problem_at(const YAML::Node& node, std::string text);
    /// Scalar text with ${NAME} taken from the environment.
    std::string expand(const YAML::Node& node);
    EnvLookup env() const { return env_; }
    std::vector<ConfigProblem>* problems() const { return problems_; }
    int line() const;

  private:
    bool find(const char* key, YAML::Node* out);
    bool scalar(const char* key, std::string* out, YAML::Node* node);
    YAML::Node node_;
    std::string path_;
    EnvLookup env_;
    std::vector<ConfigProblem>* problems_;
    std::set<std::string> known_;
};

}  // namespace tg
