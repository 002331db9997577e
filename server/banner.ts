import type { AddressInfo } from 'node:net'
import { extname, relative } from 'node:path'
import type { Config } from './config/load.ts'
import type { Development } from './development/set-up.ts'
import type { Listening } from './process.ts'

/** What the banner speaks of; `cwd` is the directory the person stands in, from which paths are shown. */
export type BannerFacts = Readonly<{ config: Config; listening: Listening; development?: Development | undefined; cwd: string }>

/** Returns what a person wants to know when the server has started: where it listens, who may connect, and how to call it. */
export function startBanner(facts: BannerFacts): string {
  const { config, listening, cwd } = facts
  const clients = config.clients.map(({ name, match, allow }) => `  ${name.padEnd(16)} ${'san' in match ? match.san : `SPKI SHA-256 ${match.spkiSha256}`}   may ${allow.length === 0 ? 'do nothing' : allow.join(', ')}`)
  return [
    'signing-server is listening',
    `  https://${hostPort(listening.service)}   service: curl, SDK, sign`,
    `  https://${hostPort(listening.browser)}   the same for browsers, with API documentation at /docs`,
    `  http://${hostPort(listening.admin)}    health and metrics: /health/live, /health/ready, /metrics`,
    `client certificates of ${show(config.tls.clientCa, cwd)} may connect; listed are`,
    ...(clients.length === 0 ? ['  nobody: add to `clients` in the configuration'] : clients),
    'sign a directory or a package inside a root:',
    ...config.roots.map(({ name, path }) => `  root ${name}: ${show(path, cwd)}`),
    ...callLines(facts),
    'stop with Ctrl-C; running requests are finished first',
    '',
  ].join('\n')
}

/** How the command is called where somebody tries things: sources are a checkout, what was built is installed. */
const SIGN_OF_BUILD: Readonly<Record<string, string>> = { '.ts': 'npm run -s sign --', '.js': 'sign' }

function callLines({ config, listening: { service }, development, cwd }: BannerFacts): readonly string[] {
  const path = config.roots[0]?.path ?? '/path/in/a/root'
  const { cert, key, ca } = development?.client ?? { cert: 'client.pem', key: 'client.key', ca: 'ca.pem' }
  const [certWord, keyWord, caWord] = [cert, key, ca].map((file) => word(show(file, cwd)))
  const host = LOCAL.has(service.address) ? 'localhost' : service.address
  const sign = development === undefined ? 'sign' : SIGN_OF_BUILD[extname(import.meta.url)]
  return [
    `  ${sign} --host ${host} --port ${service.port} --cert ${certWord} --key ${keyWord} --ca ${caWord} ${word(development === undefined ? path : show(path, cwd))}`,
    `  curl --cert ${certWord} --key ${keyWord} --cacert ${caWord} \\`,
    `    https://${hostPort({ ...service, address: host })}/sign -H 'content-type: application/json' -d ${word(JSON.stringify({ path }))}`,
  ]
}

/** Addresses that mean this machine, or all of it, and that no certificate names. */
const LOCAL = new Set(['127.0.0.1', '::1', '0.0.0.0', '::'])

function hostPort({ address, port }: AddressInfo): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** A path as a person would type it from where they stand. */
function show(path: string, cwd: string): string {
  const short = relative(cwd, path)
  return short !== '' && !short.startsWith('..') ? short : path
}

/** A word of a POSIX shell: in quotes where it has anything that the shell would read. */
function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
