import { run } from '../harness/child.ts'

/** Runs `openssl speed -multi 2 rsa2048` for so many whole seconds; resolves with its signatures per second. @throws Unavailable without OpenSSL; Error when it prints no such line */
export async function opensslSpeed(seconds: number): Promise<number> {
  const { stdout } = await run('openssl', ['speed', '-seconds', String(seconds), '-multi', '2', 'rsa2048'])
  return signaturesPerSecond(stdout)
}

/** Returns the signatures per second in what `openssl speed rsa2048` prints: `rsa 2048 bits 0.000127s 0.000008s   7856.5 120309.5`, newer versions with more columns. */
export function signaturesPerSecond(output: string): number {
  const header = /^ *sign +verify.*$/m.exec(output)?.[0].trim().split(/\s+/) ?? []
  const line = /^rsa +2048 bits (.*)$/m.exec(output)?.[1]?.trim().split(/\s+/) ?? []
  const column = header.indexOf('sign/s')
  const rate = Number(line[column])
  if (column === -1 || !(rate > 0)) throw new Error(`openssl speed printed no rate:\n${output.slice(-500)}`)
  return rate
}
