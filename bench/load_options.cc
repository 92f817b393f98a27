#include "bench/load_options.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

namespace tg::load {
namespace {

constexpr const char* kUsage =
    "usage: tollgate-load --port P [--path /v1/chat/completions] [--body FILE] [--header 'Name: "
    "value']...\n"
    "                     [--connections N] [--seconds S] [--warmup S] [--rate PER_SECOND] "
    "[--hold]\n"
    "Sends POST requests to 127.0.0.1:P and prints one line of JSON: counts, latencies and times "
    "to the first\n"
    "byte of the body in microseconds. With --rate a request's latency counts from when it was "
    "due, so waiting\n"
    "for a free connection is part of it.\n";

[[noreturn]] void refuse(const std::string& why) {
    std::fprintf(stderr, "tollgate-load: %s\n%s", why.c_str(), kUsage);
    std::exit(2);
}

double number(std::string_view name, const char* text, double min, double max) {
    char* end = nullptr;
    const double value = std::strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= min && value <= max))
        refuse(std::string(name) + " must be a number from " + std::to_string(min) + " to " +
               std::to_string(max) + ", not '" + text + "'");
    return value;
}

std::string file_content(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) refuse(std::string("cannot read --body ") + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

Options parse_options(int argc, char** argv) {
    Options options;
    std::string path = "/v1/chat/completions";
    std::string body;
    std::string headers;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--hold") {
            options.is_holding = true;
            continue;
        }
        if (i + 1 == argc) refuse(std::string(name) + " needs a value");
        const char* value = argv[++i];
        if (name == "--port") {
            options.port = static_cast<std::uint16_t>(number(name, value, 1, 65535));
        } else if (name == "--connections") {
            options.connections = static_cast<int>(number(name, value, 1, 100000));
        } else if (name == "--seconds") {
            options.seconds = number(name, value, 0.01, 3600);
        } else if (name == "--warmup") {
            options.warmup_seconds = number(name, value, 0, 600);
        } else if (name == "--rate") {
            options.rate = number(name, value, 0, 1e7);
        } else if (name == "--path") {
            path = value;
        } else if (name == "--header") {
            headers += std::string(value) + "\r\n";
        } else if (name == "--body") {
            body = file_content(value);
        } else {
            refuse("unknown argument " + std::string(name));
        }
    }
    if (options.port == 0) refuse("--port is missing");
    options.request =
        "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
        headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    return options;
}

}  // namespace tg::load
