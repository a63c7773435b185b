{
  "targets": [
    {
      "target_name": "hinge_embedding_loss",
      "sources": [
        "native/addon.cpp",
        "native/exact_sum.cpp",
        "native/hinge_embedding_loss.cpp",
        "native/kernels.cpp",
        "native/kernels_avx2.cpp",
        "native/kernels_avx512.cpp",
        "native/kernels_baseline.cpp",
        "native/parallel.cpp",
        "native/reduce.cpp"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "NAPI_CPP_EXCEPTIONS"],
      "cflags_cc!": ["-std=gnu++17", "-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wno-psabi"],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "GCC_OPTIMIZATION_LEVEL": "3",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "12.0",
        "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off"]
      }
    }
  ]
}
