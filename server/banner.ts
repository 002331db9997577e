import type { AddressInfo } from 'node:net'
import { dirname, relative } from 'node:path'
import type { Config } from './config/load.ts'
import type { Development } from './development/set-up.ts'
import type { Listening } from './process.ts'

/** Returns what a person wants to know when the server has started: where it listens, who may connect, and how to call it. */
export function startBanner(config: Config, listening: Listening, development?: Development): string {
  const service = hostPort(listening.service)
  const clients = config.clients.map(({ name, match, allow }) => `  ${name.padEnd(16)} ${'san' in match ? match.san : `SPKI SHA-256 ${match.spkiSha256}`}   may ${allow.length === 0 ? 'do nothing' : allow.join(', ')}`)
  return [
    'signing-server is listening',
    `  https://${service}   service: curl, SDK, sign`,
    `  https://${hostPort(listening.browser)}   the same for browsers, with API documentation at /docs`,
    `  http://${hostPort(listening.admin)}    health and metrics: /health/live, /health/ready, /metrics`,
    `client certificates of ${show(config.tls.clientCa)} may connect; listed are`,
    ...(clients.length === 0 ? ['  nobody: add to `clients` in the configuration'] : clients),
    'sign a directory or a package inside a root:',
    ...config.roots.map(({ name, path }) => `  root ${name}: ${show(path)}`),
    ...callLines(config, listening, development),
    'stop with Ctrl-C; running requests are finished first',
    '',
  ].join('\n')
}

function callLines(config: Config, { service }: Listening, development: Development | undefined): readonly string[] {
  const path = config.roots[0]?.path ?? '/path/in/a/root'
  const { cert, key, ca } = development?.client ?? { cert: 'client.pem', key: 'client.key', ca: 'ca.pem' }
  const host = service.address === '127.0.0.1' || service.address === '::1' ? 'localhost' : service.address
  const sign = development === undefined ? 'sign' : 'npm run -s sign --'
  const options = `--host ${host} --port ${service.port} --cert ${show(cert)} --key ${show(key)} --ca ${show(ca)}`
  return [
    `  ${sign} ${options} ${development === undefined ? path : show(path)}`,
    `  curl --cert ${show(cert)} --key ${show(key)} --cacert ${show(ca)} \\`,
    `    https://${host}:${service.port}/sign -H 'content-type: application/json' -d '${JSON.stringify({ path })}'`,
  ]
}

function hostPort({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

/** A path as a person would type it from here. */
function show(path: string): string {
  const short = relative(process.cwd(), path)
  return short !== '' && !short.startsWith('..') && dirname(short) !== '' ? short : path
}
