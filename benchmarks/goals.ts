import type { Benchmark } from './harness/benchmark.ts'
import { batch } from './goals/batch.ts'
import { bytesSlope } from './goals/bytes-slope.ts'
import { commandLine } from './goals/command-line.ts'
import { commandSigner } from './goals/command-signer.ts'
import { digestPerRequest } from './goals/digest-per-request.ts'
import { directory } from './goals/directory.ts'
import { directoryGrowth } from './goals/directory-growth.ts'
import { durable } from './goals/durable.ts'
import { fairness } from './goals/fairness.ts'
import { groupCommit } from './goals/group-commit.ts'
import { growth } from './goals/growth.ts'
import { handshakes } from './goals/handshakes.ts'
import { hello } from './goals/hello.ts'
import { largeFiles } from './goals/large-files.ts'
import { memory } from './goals/memory.ts'
import { opensslXargs } from './goals/openssl-xargs.ts'
import { original } from './goals/original.ts'
import { overload } from './goals/overload.ts'
import { pathPerRequest } from './goals/path-per-request.ts'
import { pkcs11 } from './goals/pkcs11.ts'
import { responsiveness } from './goals/responsiveness.ts'
import { threads } from './goals/threads.ts'
import { upload } from './goals/upload.ts'

/** Every benchmark, in the order of the table of goals; what has no goal comes last. */
export const BENCHMARKS: readonly Benchmark[] = [
  directory, largeFiles, pathPerRequest, digestPerRequest, durable, groupCommit, original, opensslXargs, commandSigner, hello, handshakes, upload, bytesSlope, directoryGrowth, memory,
  responsiveness, pkcs11, batch, fairness, commandLine, threads, growth, overload,
]
