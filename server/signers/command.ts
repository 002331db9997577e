import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SignatureRecord } from '../../formats/index.ts'
import type { CommandSignerConfig } from '../config/schema.ts'
import { SigningError } from '../errors.ts'
import type { OpenedKey } from '../keys/key.ts'
import { checkPrivateCopy, copyPath, makePrivateCopy } from './private-copy.ts'
import type { Copier, CopyablePackage } from './private-copy.ts'
import { resolveProgram } from './program.ts'
import { inRunFolder } from './run-folder.ts'
import { readSignatureOutput } from './signature-output.ts'
import type { Made, OpenedSigner, Signable } from './signer.ts'
import type { Spawner } from './spawn.ts'
import type { RunResult } from './spawn-protocol.ts'
import { createTurns } from '../threads/turns.ts'

/** What the wrapped command is made of. `environment` is the server's own, of which {@link INHERITED} reaches the command. */
export type CommandSignerOptions = Readonly<{
  config: CommandSignerConfig
  spawner: Spawner
  copier: Copier
  environment: Readonly<NodeJS.ProcessEnv>
}>

/** What the command inherits of the server's environment; everything else comes from the configuration. */
const INHERITED = ['PATH', 'LANG', 'ODMDIR'] as const

type Request = Readonly<{ signable: CopyablePackage; key: OpenedKey; signal: AbortSignal | undefined }>

// The name of the output in the folder of a run. It is a name of ours: nothing is ever searched for.
const OUTPUT = 'output.signature-file'

/**
 * Returns the signer that wraps a program in the manner of `create_pkgsign`. Each run has its own private folder below `workDir`, the
 * package as a copy of mode 0400 in it, made from the open handle, and is the command line
 *
 *     <command…> -a infile=<folder>/<name> -a passin=<passin> <folder>/output.signature-file
 *
 * without a shell, in the folder, with the configured environment. The copy is hashed again afterwards; then the output file, and only
 * that, is read. Whatever happens, the folder is removed and no process of the run's group is left.
 *
 * `sign` rejects with the reason of an aborted signal. `close` stops what runs. It closes the spawner as well.
 * @throws SigningError (from `sign`) `SIGNER_BUSY`, `SIGNER_NOT_AVAILABLE`, `SIGNER_FAILED` (exit status not 0, a signal, a changed input),
 * `SIGNER_TIMEOUT`, `SIGNER_OUTPUT_TOO_LARGE`, `SIGNER_NO_RECORD`, `SIGNER_SIGNATURE_TRUNCATED`, `SIGNER_RECORD_MALFORMED`, `FILE_CHANGED`,
 * `STORAGE_FULL`, `SHUTTING_DOWN`. What the command printed is in `facts`, for the log alone.
 */
export function createCommandSigner({ config, spawner, copier, environment }: CommandSignerOptions): OpenedSigner {
  const turns = createTurns({ ...config, busy: { code: 'SIGNER_BUSY', message: 'too many packages wait for the signing command' } })
  const { timeoutMs, outputBytes, workDir = tmpdir() } = config
  const commandEnvironment = { ...inherit(environment), ...config.environment }
  const [name, ...parameters] = config.command as [string, ...string[]]
  const program = (): Promise<string> => resolveProgram(name, commandEnvironment['PATH'])
  const running = new Set<Promise<unknown>>()

  async function signInFolder(folder: string, { signable, key, signal }: Request): Promise<SignatureRecord[]> {
    const copy = { path: copyPath(folder, signable.filename, OUTPUT), signable, copier, signal }
    const output = join(folder, OUTPUT)
    const command = [await program(), ...parameters, ...operands(copy.path, config.passin), output]
    await makePrivateCopy(copy)
    const result = await spawner.run({ command, cwd: folder, environment: commandEnvironment, timeoutMs, outputBytes }, signal)
    checkResult(result, config, signal)
    await checkPrivateCopy(copy)
    return readSignatureOutput(output, { outputBytes, signatureBytes: key.signatureBytes, facts: printed(result) })
  }
  async function signInTurn(request: Request): Promise<SignatureRecord[]> {
    const release = await turns.take({ signal: request.signal })
    try {
      return await inRunFolder(workDir, (folder) => signInFolder(folder, request))
    } finally {
      release()
    }
  }

  return {
    kind: 'command',
    async sign(signable, key, signal) {
      const run = signInTurn({ signable: copyable(signable), key, signal })
      running.add(run)
      return made(await run.finally(() => running.delete(run)))
    },
    waiting: () => turns.waiting(),
    async probe() {
      await program()
      await spawner.probe()
    },
    async close() {
      turns.close()
      await spawner.close()
      await Promise.allSettled(running)
    },
  }
}

/** The command reads a file and knows packages alone. */
function copyable(signable: Signable): CopyablePackage {
  const { file, info } = signable
  if (file === undefined) throw new SigningError('DIGEST_NOT_SIGNABLE', 'the signing command needs the file, a digest is not enough')
  if (info === undefined) throw new SigningError('FORMAT_NOT_ACCEPTED', 'the signing command signs installp packages alone')
  return { ...signable, file, info }
}

function made(records: readonly SignatureRecord[]): Made {
  // The parser refuses a file without a record.
  return { signature: (records[0] as SignatureRecord).signature, records }
}

function inherit(environment: Readonly<NodeJS.ProcessEnv>): Record<string, string> {
  return Object.fromEntries(INHERITED.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])))
}

function operands(infile: string, passin: string | undefined): string[] {
  return ['-a', `infile=${infile}`, ...(passin === undefined ? [] : ['-a', `passin=${passin}`])]
}

function checkResult(result: RunResult, { timeoutMs, outputBytes }: CommandSignerConfig, signal: AbortSignal | undefined): void {
  const facts = printed(result)
  switch (result.kind) {
    case 'exited':
      if (result.status === 0) return
      throw new SigningError('SIGNER_FAILED', `the signing command failed with status ${result.status}`, { ...facts, status: result.status })
    case 'signalled':
      throw new SigningError('SIGNER_FAILED', `the signing command was ended by ${result.signal}`, { ...facts, signal: result.signal })
    case 'timedOut':
      throw new SigningError('SIGNER_TIMEOUT', `the signing command took longer than ${timeoutMs} ms and was stopped`, facts)
    case 'outputTooLarge':
      throw new SigningError('SIGNER_OUTPUT_TOO_LARGE', `the signing command printed more than ${outputBytes} bytes and was stopped`, facts)
    case 'notStarted':
      throw new SigningError('SIGNER_NOT_AVAILABLE', 'the signing command could not be started', { ...facts, reason: result.reason })
    case 'aborted':
      throw signal?.reason
  }
}

function printed({ stdout, stderr }: RunResult): Readonly<{ stdout: string; stderr: string }> {
  return { stdout, stderr }
}
