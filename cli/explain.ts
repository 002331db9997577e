import type { ConnectionError, LocalFileError, ProblemError } from '../sdk/index.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import type { Settings } from './settings.ts'
import type { Stop, Terminal } from './terminal.ts'
import type { UsageError } from './usage-error.ts'

/** What to do next, where the command line has its own words for it; everything else says its hint itself. */
const OWN_HINTS: Readonly<Record<string, string>> = {
  KEYID_REQUIRED: 'name the key with --keyid; `sign keys` lists the keys of this client',
  KEY_NOT_AVAILABLE: '`sign keys` lists the keys of this client',
  OPERATION_DENIED: '`sign whoami` shows what this client may do',
  FORMAT_NOT_ALLOWED: '`sign whoami` shows the formats that this client may have signed',
  FILESET_NOT_ALLOWED: '`sign whoami` shows the filesets that this client may have signed',
  DIGEST_NOT_ALLOWED: 'send the file with --upload, or ask the administrator for `digestOnly`',
  FILESET_LEVEL_ALREADY_SIGNED: 'raise the level of the fileset; or sign with --resign, where the policy of this client allows it',
  RESIGN_NOT_ALLOWED: 'ask the administrator for `resign`, or leave --resign out',
  IDEMPOTENCY_KEY_REUSED: 'name another --idempotency-key for another request, or none',
  DSB_PRESENT: 'remove the block with `sign detach-dsb`, or attach with --replace',
  PATH_OUTSIDE_ROOTS: 'check the spelling; `sign files` lists the roots of this client',
  CONNECTION_REFUSED: 'start the server with `npm start` in a checkout or with `signing-server start`, or say where it listens with --host and --port',
  TIMEOUT: 'look whether the server is busy, or allow more time with --timeout',
}

/** Returns the line `hint: …` of a problem. */
export function hintLine({ code, hint }: Readonly<{ code: string; hint: string }>): string {
  return `hint: ${OWN_HINTS[code] ?? lowerFirst(hint)}`
}

/** Returns a sentence in lower case as all our lines begin, but not where it begins with an abbreviation such as `GET`. */
export function lowerFirst(sentence: string): string {
  return /^[A-Z](?![A-Z])/.test(sentence) ? sentence.charAt(0).toLowerCase() + sentence.slice(1) : sentence
}

/** Writes why something of that name, or the request as a whole, was refused. */
export function explainFailure(terminal: Terminal, name: string, problem: ProblemError): void {
  terminal.line(`${name}: ${problem.code} ${problem.detail}`)
  for (const { pointer, detail } of problem.errors ?? []) terminal.line(`  ${pointer}: ${detail}`)
  terminal.line(hintLine(problem))
  terminal.line(`request id: ${problem.requestId}`)
}

/** Writes why nothing could be done with a file of this machine. */
export function explainLocal(terminal: Terminal, name: string, error: LocalFileError): ExitStatus {
  terminal.line(`${name}: ${error.code} ${error.detail}`)
  terminal.line(hintLine(error))
  return EXIT.notSigned
}

/** Writes every fault of the command line, the settings or the credentials. */
export function explainUsage(terminal: Terminal, { faults, hints }: UsageError): void {
  for (const fault of faults) terminal.line(`sign: ${fault}`)
  for (const hint of hints) terminal.line(`hint: ${hint}`)
}

/** Writes why there is no answer of the server. */
export function explainConnection(terminal: Terminal, error: ConnectionError, { cert, key, ca }: Settings): ExitStatus {
  terminal.line(`sign: ${error.code.toLowerCase().replaceAll('_', ' ')}: ${error.detail}`)
  terminal.line(hintLine(error))
  if (error.code !== 'CREDENTIALS_UNUSABLE') return EXIT.connection
  terminal.line(`  cert ${cert.value}, key ${key.value}, ca ${ca.value}`)
  return EXIT.usage
}

/** Says that a run ended early; nothing when stdout was closed, as `| head` does. */
export function explainStop(terminal: Terminal, { kind }: Stop): ExitStatus {
  if (kind === 'output-closed') return EXIT.outputClosed
  terminal.line('sign: interrupted')
  terminal.line('hint: repeat the command to sign the rest')
  return EXIT.interrupted
}
