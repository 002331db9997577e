/**
 * One run of a command. `command` is the program (absolute path) and its arguments; `environment` is all the environment it gets.
 * It may take `timeoutMs` and print `outputBytes`, standard output and error together.
 */
export type CommandRun = Readonly<{
  command: readonly string[]
  cwd: string
  environment: Readonly<Record<string, string>>
  timeoutMs: number
  outputBytes: number
}>

/** The last bytes that the command printed, for the log: at most 2 KiB of each, as UTF-8. */
export type Printed = Readonly<{ stdout: string; stderr: string }>

/**
 * How a run ended. Only `exited` and `signalled` are the command's own doing; after `timedOut`, `outputTooLarge` and `aborted` its whole
 * process group was killed. `notStarted` has the system's code (`ENOENT`, `EACCES`, …).
 */
export type RunEnd = Readonly<
  | { kind: 'exited'; status: number }
  | { kind: 'signalled'; signal: string }
  | { kind: 'timedOut' }
  | { kind: 'outputTooLarge' }
  | { kind: 'aborted' }
  | { kind: 'notStarted'; reason: string }
>

/** How a run ended, and what it had printed. */
export type RunResult = RunEnd & Printed

/** What the server asks of the helper process. `id` numbers the requests of one helper; `close` is the last of them. */
export type HelperRequest = Readonly<
  { kind: 'run'; id: number; run: CommandRun } | { kind: 'cancel'; id: number } | { kind: 'ping'; id: number } | { kind: 'close' }
>

/** What the helper answers: the pid of a started run at once, so that the server can kill its group should the helper be gone. */
export type HelperAnswer = Readonly<{ kind: 'started'; id: number; pid: number } | { kind: 'ended'; id: number; result: RunResult } | { kind: 'pong'; id: number }>
