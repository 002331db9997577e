import type * as LocalSdk from '../sdk/local.ts'
import type { Client } from '../sdk/index.ts'
import type { Sdk } from './output.ts'
import type { Settings } from './settings.ts'
import type { Io, Terminal } from './terminal.ts'

/** What a command works with that needs no server: the part of the SDK for files of this machine, and where results go. */
export type Bench = Readonly<{
  sdk: typeof LocalSdk
  settings: Settings
  terminal: Terminal
  io: Io
}>

/** What a command works with once settings and credentials are good: the client of the SDK besides. */
export type Session = Bench & Readonly<{ client: Client; sdk: Sdk }>
