import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { run } from './child.ts'
import { Unavailable } from './measurement.ts'
import type { Place } from './place.ts'

const FOLDERS = ['/usr/lib/softhsm', '/usr/lib64/softhsm', '/usr/lib/x86_64-linux-gnu/softhsm', '/usr/lib/aarch64-linux-gnu/softhsm', '/usr/lib64/pkcs11', '/usr/local/lib/softhsm', '/opt/homebrew/lib/softhsm']
const LABEL = 'benchmark'
// Of a token that is thrown away, so it may stand on a command line.
const PIN = '271828'

/**
 * Makes a token of SoftHSM2 in the place that holds the place's own key, and returns that key as a configuration names it.
 * @throws Unavailable without SoftHSM2, or without pkcs11js, which needs a compiler when it is installed
 */
export async function keyInSoftHsm({ folder, privateKey, publicKey }: Place, { folders = FOLDERS, addon = 'pkcs11js' }: Readonly<{ folders?: readonly string[]; addon?: string }> = {}): Promise<object> {
  const module = folders.map((each) => join(each, 'libsofthsm2.so')).find((path) => existsSync(path))
  if (module === undefined) throw new Unavailable('SoftHSM2 is not installed: apt-get install softhsm2')
  try {
    createRequire(import.meta.url).resolve(addon)
  } catch {
    throw new Unavailable(`${addon} is not installed: there was no compiler when npm ci ran`)
  }
  const [tokens, conf, pinFile] = [join(folder, 'tokens'), join(folder, 'softhsm2.conf'), join(folder, 'pin')]
  await mkdir(tokens, { mode: 0o700 })
  await writeFile(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  await writeFile(pinFile, `${PIN}\n`, { mode: 0o600 })
  const environment = { SOFTHSM2_CONF: conf }
  const tool = async (...args: readonly string[]) => await run('softhsm2-util', args, { env: { ...process.env, ...environment } })
  await tool('--init-token', '--free', '--label', LABEL, '--pin', PIN, '--so-pin', PIN)
  await tool('--import', privateKey, '--token', LABEL, '--label', 'release', '--id', '01', '--pin', PIN)
  return { keyid: '1001', kind: 'pkcs11', module, token: { label: LABEL }, key: { label: 'release' }, pinFile, publicKey, environment }
}
