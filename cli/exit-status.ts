/** What the exit status of `sign` says; docs/command-line.md explains each. */
export const EXIT = {
  /** Everything asked for was done; entries that were skipped do not count. */
  done: 0,
  /** Some requested file was not signed, a signature is not valid, a proof shows nothing, or the log is not as it must be. */
  notSigned: 1,
  /** The command line, the settings or the credentials have a fault; nothing was sent. */
  usage: 2,
  /** The server could not be reached, refused the connection, or broke it off. */
  connection: 3,
  /** The server refused the request as a whole. */
  refused: 4,
  /** `--dsblkchk`: as `usage`, for 2 is taken (EX_USAGE of sysexits.h). */
  dsblkchkUsage: 64,
  /** `--dsblkchk`: as `connection` and `refused` (EX_UNAVAILABLE of sysexits.h). */
  dsblkchkUnavailable: 69,
  /** A fault of `sign` itself (EX_SOFTWARE of sysexits.h). */
  software: 70,
  /** Interrupted, as a shell reports a process that SIGINT ended. */
  interrupted: 130,
  /** Nobody reads the output any more, as a shell reports a process that SIGPIPE ended. */
  outputClosed: 141,
} as const

/** One of the values of {@link EXIT}. */
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT]

/** What dsblkchk(1) of AIX says by its exit status. */
export const DSBLKCHK = { verified: 0, bad: 1, none: 2 } as const

const FILE_CODE = /^(?:FILE_|PACKAGE_|DSB_|SIGNER_|NOT_A_PACKAGE$|FORMAT_NOT_A(?:CCEPTED|LLOWED)$|FILESET_NOT_ALLOWED$|SIGNATURE_COUNT_REACHED$|DIGEST_MISMATCH$|DIGEST_NOT_SIGNABLE$|SIGNATURE_INVALID$|FILESET_LEVEL_ALREADY_SIGNED$|CONTENT_UNAVAILABLE$|STORE_FAILED$|STORAGE_FULL$)/

/** Returns the exit status of a run that ended early, under `--dsblkchk`. */
export function dsblkchkStatus(status: ExitStatus): ExitStatus {
  if (status === EXIT.usage) return EXIT.dsblkchkUsage
  return status === EXIT.connection || status === EXIT.refused ? EXIT.dsblkchkUnavailable : status
}

/**
 * Whether a code says that one file could not be signed. A request for a single file answers with it as a problem of the request,
 * and still means what it means in a directory: this file was not signed. Every other code refuses the request as a whole.
 */
export function isAboutFile(code: string): boolean {
  return FILE_CODE.test(code)
}
