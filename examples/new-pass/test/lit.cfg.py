import os

import lit.formats

config.name = "new-pass"
config.test_format = lit.formats.ShTest()
config.suffixes = [".mlir"]
config.environment["PATH"] = os.pathsep.join([os.environ["MY_OPT_DIR"], "/usr/lib/llvm-22/bin", os.environ["PATH"]])
config.test_exec_root = os.environ["MY_OPT_DIR"]
