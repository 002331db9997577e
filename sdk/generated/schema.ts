// Made from openapi.yaml by sdk/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.

export interface paths {
    readonly "/sign": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Sign packages
         * @description Signs one package file, or every package of a directory in name order, that the server can read; a file that is sent; digests, for clients whose policy allows it; or once more what an earlier signature covers. With `Accept: application/x-ndjson` the outcomes of a directory arrive as files finish, one event a line.
         */
        readonly post: operations["sign"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/files": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * List files
         * @description Lists a directory in name order, a page at a time; a path to a file lists that file; without a path the roots of this client by name.
         */
        readonly get: operations["listFiles"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/verify": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Verify a signature
         * @description Says whether a signature over a file (by path, by digest, or sent, whatever it is) is valid, and if not, why. Without a signature in the request the Digital Signature Block in the file is meant, else the catalogue.
         */
        readonly post: operations["verify"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/signatures": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Find signatures
         * @description Answers with the signatures that fit everything the query names, the newest first: those that were made for this client or handed to it, or everybody's where the policy says so. With `Accept: application/x-ndjson` not a page but all of them, one a line.
         */
        readonly get: operations["findSignatures"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/signatures/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Get a signature
         * @description Answers with a signature that was made for this client, or handed to it when it asked for the same.
         */
        readonly get: operations["getSignature"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/signatures/{id}/{form}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Export a signature
         * @description Answers with the same signature as a file: the signature file, the raw signature, the block to append to the package, or the script for the Digital Signature Catalog; or with the proof that it stands in the tamper-evident log.
         */
        readonly get: operations["exportSignature"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/log/checkpoint": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Get the checkpoint
         * @description Answers with the newest state of the log: origin, number of entries and root of the tree, signed by the key of the log (C2SP tlog-checkpoint).
         */
        readonly get: operations["getCheckpoint"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/log/tile/{tile}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Get a tile of the log
         * @description Answers with hashes of the tree, 32 bytes each, or with entries, each behind its length in 16 bits, big-endian (C2SP tlog-tiles). What it answers for a path never changes.
         */
        readonly get: operations["getTile"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/log/key": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Get the key of the log
         * @description Answers with the key that verifies the checkpoints of the log, in one line: `NAME+KEYID+BASE64` (C2SP signed-note). Whoever does not trust the server gets it from somewhere else, or once and keeps it.
         */
        readonly get: operations["getLogKey"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/log/audit": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Audit the log
         * @description Compares every row of the database with what the server wrote, and answers with what is not the same. Takes a while, and runs once at a time. The word of the server about itself: who does not trust it rebuilds the tree from the tiles.
         */
        readonly get: operations["auditLog"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/keys": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * List keys
         * @description Answers with the public part of every key this client may use.
         */
        readonly get: operations["listKeys"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/keys/{keyid}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Get a key
         * @description Answers with the public part of one key.
         */
        readonly get: operations["getKey"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/keys/{keyid}/{form}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Export a key
         * @description Answers with the public part of one key as a file to install on the targets.
         */
        readonly get: operations["exportKey"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/whoami": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Who am I
         * @description Answers with who the server takes this client for, what it may do, and what is left of its limits. Every listed client may ask.
         */
        readonly get: operations["whoami"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description Stable code; docs/errors.md explains each.
         * @enum {string}
         */
        readonly ErrorCode: "REQUEST_MALFORMED" | "REQUEST_INVALID" | "REQUEST_TIMEOUT" | "REQUEST_ABORTED" | "HEADERS_TOO_LARGE" | "BODY_MALFORMED" | "BODY_TOO_LARGE" | "CONTENT_TYPE_UNSUPPORTED" | "ROUTE_NOT_FOUND" | "IDEMPOTENCY_KEY_MALFORMED" | "IDEMPOTENCY_KEY_REUSED" | "REQUEST_IN_PROGRESS" | "CLIENT_UNKNOWN" | "CLIENT_NOT_YET_VALID" | "CLIENT_EXPIRED" | "OPERATION_DENIED" | "FORMAT_NOT_ALLOWED" | "FILESET_NOT_ALLOWED" | "SIGNATURE_COUNT_REACHED" | "RATE_LIMITED" | "CLIENT_BUSY" | "PATH_MALFORMED" | "PATH_OUTSIDE_ROOTS" | "PATH_UNREADABLE" | "FILE_NAME_REFUSED" | "FILE_KIND_REFUSED" | "FILE_CHANGED" | "FILE_TOO_LARGE" | "DIRECTORY_TOO_LARGE" | "NOT_A_PACKAGE" | "PACKAGE_MALFORMED" | "DSB_MALFORMED" | "DSB_STACKED" | "FORMAT_NOT_ACCEPTED" | "DIGEST_MALFORMED" | "DIGEST_MISMATCH" | "DIGEST_NOT_ALLOWED" | "DIGEST_NOT_SIGNABLE" | "FILESET_LEVEL_ALREADY_SIGNED" | "RESIGN_NOT_ALLOWED" | "CONTENT_UNAVAILABLE" | "KEYID_REQUIRED" | "KEY_NOT_AVAILABLE" | "KEY_NOT_SUITABLE" | "KEY_NOT_YET_VALID" | "KEY_EXPIRED" | "KEY_RETIRED" | "KEY_REVOKED" | "SIGNER_BUSY" | "SIGNER_NOT_AVAILABLE" | "SIGNER_TIMEOUT" | "SIGNER_FAILED" | "SIGNER_OUTPUT_TOO_LARGE" | "SIGNER_NO_RECORD" | "SIGNER_RECORD_MALFORMED" | "SIGNER_SIGNATURE_TRUNCATED" | "SIGNER_RECORD_MISMATCH" | "SIGNATURE_INVALID" | "SIGNATURE_NOT_FOUND" | "TILE_NOT_FOUND" | "FORM_NOT_AVAILABLE" | "STORE_FAILED" | "STORAGE_FULL" | "SERVER_BUSY" | "SHUTTING_DOWN" | "INTERNAL";
        /** @description Problem details (RFC 9457). */
        readonly Problem: {
            /** @description `urn:signing-server:problem:` and the code. */
            readonly type: string;
            /** @description Fixed per code. */
            readonly title: string;
            readonly status: number;
            /** @description What happened, as a sentence. */
            readonly detail: string;
            /** @description `urn:uuid:` and the request id, also in the Request-Id header. */
            readonly instance: string;
            readonly code: components["schemas"]["ErrorCode"];
            /** @description Whether the same request may succeed later. */
            readonly retryable: boolean;
            /** @description What to do next. */
            readonly hint: string;
            /** @description Every fault of the input. */
            readonly errors?: readonly {
                /** @description JSON Pointer (RFC 6901) to the member. */
                readonly pointer: string;
                readonly detail: string;
            }[];
        };
        /**
         * @description Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits.
         * @example 1001
         */
        readonly Keyid: string;
        /**
         * @description RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017) and the modulus length; or, for detached signatures of whole files alone, ECDSA on P-256 with SHA-256 (DER), Ed25519 (RFC 8032), ML-DSA-65 (FIPS 204).
         * @enum {string}
         */
        readonly SigningAlgorithm: "rsa-2048-sha256" | "rsa-3072-sha256" | "rsa-4096-sha256" | "ecdsa-p256-sha256" | "ed25519" | "ml-dsa-65";
        /**
         * @description `public.pem`: SubjectPublicKeyInfo; `certificate.pem`: a certificate, where the configuration names one.
         * @enum {string}
         */
        readonly KeyForm: "public.pem" | "certificate.pem";
        /**
         * @description `active`: signs. `retiring`: signs, and a successor takes over. `retired`: signs no more; what it signed stays valid. `revoked`: signs no more, and nothing it signed is valid.
         * @enum {string}
         */
        readonly KeyState: "active" | "retiring" | "retired" | "revoked";
        /** @description Whether signatures are accepted. */
        readonly Acceptance: {
            /**
             * @description `unknown`: nothing is published that would tell.
             * @enum {string}
             */
            readonly verdict: "yes" | "no" | "unknown";
            /** @description Why, as a sentence. */
            readonly because: string;
        };
        /** @description Who accepts signatures of this key: AIX in its Digital Signature Catalog (`dsc`) and in a Digital Signature Block (`dsb`), OpenSSL 1.0.2 as a detached signature. docs/acceptance.md has the sources. */
        readonly AcceptedBy: {
            readonly "aix-7.2-tl4-dsc": components["schemas"]["Acceptance"];
            readonly "aix-7.2-tl4-dsb": components["schemas"]["Acceptance"];
            readonly "aix-7.3-dsc": components["schemas"]["Acceptance"];
            readonly "aix-7.3-dsb": components["schemas"]["Acceptance"];
            readonly "openssl-1.0.2": components["schemas"]["Acceptance"];
        };
        /**
         * @description The public part of a signing key.
         * @example {
         *       "keyid": "1001",
         *       "kind": "file",
         *       "algorithm": "rsa-2048-sha256",
         *       "covers": "file",
         *       "publicKeyPem": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A…\n-----END PUBLIC KEY-----\n",
         *       "spkiSha256": "2e3784834c7ea56cf7a380a8636120f723075b0cbfe16b5a3426d69f65f5b82c",
         *       "installedPath": "/etc/security/certificates/example.pem",
         *       "state": "active",
         *       "notAfter": "2028-01-01T00:00:00.000Z",
         *       "successor": "1002",
         *       "acceptedBy": {
         *         "aix-7.2-tl4-dsc": {
         *           "verdict": "unknown",
         *           "because": "which bytes AIX wants signed is not published"
         *         },
         *         "aix-7.2-tl4-dsb": {
         *           "verdict": "unknown",
         *           "because": "the block is documented for AIX 7.3"
         *         },
         *         "aix-7.3-dsc": {
         *           "verdict": "unknown",
         *           "because": "which bytes AIX wants signed is not published"
         *         },
         *         "aix-7.3-dsb": {
         *           "verdict": "yes",
         *           "because": "the published block holds such a signature"
         *         },
         *         "openssl-1.0.2": {
         *           "verdict": "yes",
         *           "because": "openssl dgst knows it"
         *         }
         *       }
         *     }
         */
        readonly Key: {
            readonly keyid: components["schemas"]["Keyid"];
            /**
             * @description `file`: the server holds the key, from a PKCS#8 file; `pkcs12`: from a keystore; `pkcs11`: a token does, and the server asks it to sign; `public`: nobody any more, it is there for what it signed; `command`: the wrapped command does.
             * @enum {string}
             */
            readonly kind: "file" | "pkcs12" | "pkcs11" | "public" | "command";
            readonly algorithm: components["schemas"]["SigningAlgorithm"];
            /**
             * @description `file`: every signature is verified over the whole file before it leaves. `unverified`: what the wrapped command signs is not known.
             * @enum {string}
             */
            readonly covers: "file" | "unverified";
            /** @description SubjectPublicKeyInfo in PEM, as `openssl dgst -verify` takes it. */
            readonly publicKeyPem: string;
            /** @description SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal. */
            readonly spkiSha256: string;
            /** @description Where the public key lies on the AIX targets. */
            readonly installedPath?: string;
            readonly state: components["schemas"]["KeyState"];
            /**
             * Format: date-time
             * @description From when on it signs.
             */
            readonly notBefore?: string;
            /**
             * Format: date-time
             * @description When it stops signing.
             */
            readonly notAfter?: string;
            /**
             * Format: date-time
             * @description When its certificate ends, where it has one; that stops nothing.
             */
            readonly certificateNotAfter?: string;
            readonly successor?: components["schemas"]["Keyid"];
            /**
             * Format: date-time
             * @description Since when it is revoked.
             */
            readonly revokedAt?: string;
            /** @description Why it is revoked. */
            readonly revocationReason?: string;
            readonly acceptedBy: components["schemas"]["AcceptedBy"];
        };
        /** @description The keys this client may use, in the order of the configuration. */
        readonly KeyList: {
            readonly keys: readonly components["schemas"]["Key"][];
        };
        /**
         * @description What the file is by its content: `installp` package image, `compress` (interim fixes, `.epkg.Z`), `rpm`, …
         * @enum {string}
         */
        readonly Format: "installp" | "compress" | "rpm" | "tar" | "gzip" | "zip" | "xz" | "other";
        /**
         * @description The seven fields of one line of the signature file.
         * @example {
         *       "keyid": "1001",
         *       "package": "PkgA",
         *       "timestamp": "1375425475",
         *       "fileset": "PkgA.rte",
         *       "ftype": "I",
         *       "vrmf": "1.0.0.0",
         *       "signature": "lRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqfjCNfUWy73WgduuZRnkA=="
         *     }
         */
        readonly SignatureRecord: {
            readonly keyid: components["schemas"]["Keyid"];
            /**
             * @description Package name: the fourth token of the first line of `lpp_name`.
             * @example PkgA
             */
            readonly package: string;
            /**
             * @description Seconds since 1970 or `yyyymmddhhmmss`, as the server is configured.
             * @example 1375425475
             */
            readonly timestamp: string;
            /**
             * @description Fileset name.
             * @example PkgA.rte
             */
            readonly fileset: string;
            /**
             * @description Fileset type: `I` installation, `S` single update, `ML` maintenance level.
             * @example I
             */
            readonly ftype: string;
            /**
             * @description Version.release.modification.fix.
             * @example 1.0.0.0
             */
            readonly vrmf: string;
            /** @description The signature in standard base64 with padding. */
            readonly signature: string;
        };
        /**
         * @description Proves that the signature stands in the tamper-evident log; whoever has the key of the log checks it offline.
         * @example {
         *       "index": 1,
         *       "entry": "{\"at\":\"2026-11-24T09:15:00.000Z\",\"client\":\"release-bot\",\"kind\":\"signature\"}",
         *       "path": [
         *         "RDj2ItcFTCxTXNg9wLOvyFqk8Lj5LPcGYvg7FhTYkvA="
         *       ],
         *       "checkpoint": "signing-server/log\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— signing-server/log AAAAAQ==\n"
         *     }
         */
        readonly Receipt: {
            /** @description Index of the leaf, from 0. */
            readonly index: number;
            /** @description The leaf itself: canonical JSON (RFC 8785), hashed as its UTF-8 bytes. */
            readonly entry: string;
            /** @description The inclusion proof (RFC 6962, section 2.1.1), from the sibling of the leaf upwards. */
            readonly path: readonly string[];
            /** @description The signed state of the log that the path leads to: a signed note (C2SP tlog-checkpoint). */
            readonly checkpoint: string;
        };
        /**
         * @description The key is revoked: nothing that it signed is valid any more.
         * @example {
         *       "at": "2026-11-24T09:15:00.000Z",
         *       "reason": "key compromise"
         *     }
         */
        readonly KeyRevocation: {
            /**
             * Format: date-time
             * @description Since when, where the configuration says so.
             */
            readonly at?: string;
            /** @description Why, where the configuration says so. */
            readonly reason?: string;
        };
        /**
         * @description A signature that was verified and recorded.
         * @example {
         *       "id": "0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21",
         *       "filename": "PkgA.1.0.0.0.bff",
         *       "format": "installp",
         *       "source": "path",
         *       "sha256": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
         *       "sizeBytes": 3584,
         *       "keyid": "1001",
         *       "algorithm": "rsa-2048-sha256",
         *       "covers": "file",
         *       "signature": "lRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqfjCNfUWy73WgduuZRnkA==",
         *       "signedAt": "2026-11-24T09:15:00.000Z",
         *       "replayed": false,
         *       "records": [
         *         {
         *           "keyid": "1001",
         *           "package": "PkgA",
         *           "timestamp": "1375425475",
         *           "fileset": "PkgA.rte",
         *           "ftype": "I",
         *           "vrmf": "1.0.0.0",
         *           "signature": "lRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqfjCNfUWy73WgduuZRnkA=="
         *         }
         *       ],
         *       "receipt": {
         *         "index": 1,
         *         "entry": "{\"at\":\"2026-11-24T09:15:00.000Z\",\"client\":\"release-bot\",\"kind\":\"signature\"}",
         *         "path": [
         *           "RDj2ItcFTCxTXNg9wLOvyFqk8Lj5LPcGYvg7FhTYkvA="
         *         ],
         *         "checkpoint": "signing-server/log\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— signing-server/log AAAAAQ==\n"
         *       }
         *     }
         */
        readonly Signature: {
            /**
             * Format: uuid
             * @description Identifier in the catalogue.
             */
            readonly id: string;
            /** @description Base name of the file. In the catalogue and the log that of the file for which it was made, where the same content has several names. */
            readonly filename: string;
            readonly format: components["schemas"]["Format"];
            /**
             * @description How the content came. `digest`: the server never saw the content, and format and records are what the client said.
             * @enum {string}
             */
            readonly source: "path" | "upload" | "digest";
            /** @description SHA-256 of the signed bytes, hexadecimal: the whole file, without a Digital Signature Block at its end. */
            readonly sha256: string;
            /** @description How many bytes are signed. */
            readonly sizeBytes: number;
            readonly keyid: components["schemas"]["Keyid"];
            readonly algorithm: components["schemas"]["SigningAlgorithm"];
            /**
             * @description `file`: verified over the whole file. `unverified`: see the key.
             * @enum {string}
             */
            readonly covers: "file" | "unverified";
            /** @description The signature in standard base64 with padding. */
            readonly signature: string;
            /**
             * Format: date-time
             * @description When it was signed, RFC 3339 in UTC.
             */
            readonly signedAt: string;
            /** @description True when an earlier request already made this signature: the same content is signed once by a key, unless `force` asks for more. */
            readonly replayed: boolean;
            /** @description One record per fileset, in the order of `lpp_name`; none for what is no installp package. */
            readonly records: readonly components["schemas"]["SignatureRecord"][];
            readonly receipt: components["schemas"]["Receipt"];
            readonly keyRevoked?: components["schemas"]["KeyRevocation"];
            /** @description The signatures over the same that other keys made with it, in a key overlap: a key that is `retiring` and its successor both sign, for a client that may use both. None of them has an `also` of its own, and the catalogue has each by itself. */
            readonly also?: readonly components["schemas"]["Signature"][];
        };
        /** @description A signature of the catalogue. */
        readonly FoundSignature: {
            /** @description Name of the client it was made for. */
            readonly client: string;
            readonly signature: components["schemas"]["Signature"];
        };
        /** @description One page of signatures. */
        readonly SignatureList: {
            /** @description The newest first, in the order of the log. */
            readonly signatures: readonly components["schemas"]["FoundSignature"][];
            /** @description Null on the last page. */
            readonly nextCursor: string | null;
        };
        /**
         * @description Why an entry of a directory is listed and not signed.
         * @enum {string}
         */
        readonly SkipReason: "DIRECTORY" | "TOC" | "SPECIAL_FILE" | "NOT_A_PACKAGE" | "FORMAT_NOT_ACCEPTED";
        /** @description Something that did not stop the request but that a person should know. */
        readonly Warning: {
            /** @enum {string} */
            readonly code: "SIGNATURE_UNVERIFIED" | "CONTENT_NOT_SEEN" | "NO_PACKAGES" | "DSB_WITHOUT_PRECEDENT" | "KEY_NOT_ACCEPTED" | "KEY_RETIRING" | "KEY_EXPIRES_SOON" | "KEY_EXPIRED" | "KEY_RETIRED";
            readonly detail: string;
        };
        /** @description The digest of a file that is not sent. */
        readonly Digest: {
            /** @description SHA-256, 64 lower-case hexadecimal digits. */
            readonly sha256: string;
        };
        /** @description A fileset and its level. */
        readonly Fileset: {
            readonly fileset: string;
            /** @description Version.release.modification.fix, without leading zeros. */
            readonly vrmf: string;
        };
        /** @description A file to sign by its digest. */
        readonly DigestItem: {
            readonly digest: components["schemas"]["Digest"];
            /** @description How many bytes the digest covers. */
            readonly sizeBytes: number;
            /**
             * @description Base name of the file.
             * @example PkgA.1.0.0.0.bff
             */
            readonly filename: string;
            /** @description Package name; with `filesets`, for an installp package. Without it the signature is a detached one. */
            readonly package?: string;
            /**
             * @description Fileset type.
             * @default I
             */
            readonly ftype?: string;
            /** @description In the order of `lpp_name`. */
            readonly filesets?: readonly components["schemas"]["Fileset"][];
            /** @description When the package was built, seconds since 1970; without it the time of signing stands in the records. */
            readonly builtAt?: number;
        };
        /**
         * @description What to sign, by path. Without `keyid` the only key this client may use.
         * @example {
         *       "path": "/export/nim/lpp_source/installp/ppc",
         *       "keyid": "1001"
         *     }
         */
        readonly SignPathRequest: {
            /**
             * @description Absolute path of a file or directory that the server can read, inside a root this client may use.
             * @example /export/nim/lpp_source/installp/ppc
             */
            readonly path: string;
            readonly keyid?: components["schemas"]["Keyid"];
            /**
             * @description Descend into subdirectories; names are then relative to `path`.
             * @default false
             */
            readonly recursive?: boolean;
            /**
             * @description Sign again even where the same content was signed by this key before.
             * @default false
             */
            readonly force?: boolean;
            /**
             * @description Sign other content under a fileset level that was signed before; only for clients whose policy allows it.
             * @default false
             */
            readonly resign?: boolean;
        };
        /**
         * @description A file to sign by its digest alone, for clients whose policy allows it: nothing but this travels.
         * @example {
         *       "digest": {
         *         "sha256": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730"
         *       },
         *       "sizeBytes": 3584,
         *       "filename": "PkgA.1.0.0.0.bff",
         *       "package": "PkgA",
         *       "filesets": [
         *         {
         *           "fileset": "PkgA.rte",
         *           "vrmf": "1.0.0.0"
         *         }
         *       ]
         *     }
         */
        readonly SignDigestRequest: {
            readonly digest: components["schemas"]["Digest"];
            /** @description How many bytes the digest covers. */
            readonly sizeBytes: number;
            /**
             * @description Base name of the file.
             * @example PkgA.1.0.0.0.bff
             */
            readonly filename: string;
            /** @description Package name; with `filesets`, for an installp package. Without it the signature is a detached one. */
            readonly package?: string;
            /**
             * @description Fileset type.
             * @default I
             */
            readonly ftype?: string;
            /** @description In the order of `lpp_name`. */
            readonly filesets?: readonly components["schemas"]["Fileset"][];
            /** @description When the package was built, seconds since 1970; without it the time of signing stands in the records. */
            readonly builtAt?: number;
            readonly keyid?: components["schemas"]["Keyid"];
            /**
             * @description Sign again even where the same content was signed by this key before.
             * @default false
             */
            readonly force?: boolean;
            /**
             * @description Sign other content under a fileset level that was signed before; only for clients whose policy allows it.
             * @default false
             */
            readonly resign?: boolean;
        };
        /** @description Many files to sign by their digests; one that fails does not spoil the others. */
        readonly SignBatchRequest: {
            readonly items: readonly components["schemas"]["DigestItem"][];
            readonly keyid?: components["schemas"]["Keyid"];
            /**
             * @description Sign again even where the same content was signed by this key before.
             * @default false
             */
            readonly force?: boolean;
            /**
             * @description Sign other content under a fileset level that was signed before; only for clients whose policy allows it.
             * @default false
             */
            readonly resign?: boolean;
        };
        /**
         * @description What an earlier signature covers, to be signed once more with another key: the file that it was made for, where the server has it and its bytes are the same as then.
         * @example {
         *       "id": "0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21",
         *       "keyid": "1002"
         *     }
         */
        readonly SignAgainRequest: {
            /**
             * Format: uuid
             * @description A signature of the catalogue that this client may see.
             */
            readonly id: string;
            readonly keyid?: components["schemas"]["Keyid"];
        };
        /** @description What to sign: by `path`, by `digest`, many `items` by their digests, or again what the signature `id` covers. */
        readonly SignRequest: components["schemas"]["SignPathRequest"] | components["schemas"]["SignDigestRequest"] | components["schemas"]["SignBatchRequest"] | components["schemas"]["SignAgainRequest"];
        /**
         * @description The outcome for each name of the listing.
         * @example {
         *       "path": "/export/nim/lpp_source/installp/ppc",
         *       "files": [
         *         ".toc",
         *         "PkgA.1.0.0.0.bff"
         *       ],
         *       "signatures": {
         *         "PkgA.1.0.0.0.bff": {
         *           "id": "0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21",
         *           "filename": "PkgA.1.0.0.0.bff",
         *           "format": "installp",
         *           "source": "path",
         *           "sha256": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
         *           "sizeBytes": 3584,
         *           "keyid": "1001",
         *           "algorithm": "rsa-2048-sha256",
         *           "covers": "file",
         *           "signature": "lRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqfjCNfUWy73WgduuZRnkA==",
         *           "signedAt": "2026-11-24T09:15:00.000Z",
         *           "replayed": false,
         *           "records": [
         *             {
         *               "keyid": "1001",
         *               "package": "PkgA",
         *               "timestamp": "1375425475",
         *               "fileset": "PkgA.rte",
         *               "ftype": "I",
         *               "vrmf": "1.0.0.0",
         *               "signature": "lRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqlRjpNE9gD+6nWyvPQJH0RoZgISpJrXxYUwlJoZuqfjCNfUWy73WgduuZRnkA=="
         *             }
         *           ],
         *           "receipt": {
         *             "index": 1,
         *             "entry": "{\"at\":\"2026-11-24T09:15:00.000Z\",\"client\":\"release-bot\",\"kind\":\"signature\"}",
         *             "path": [
         *               "RDj2ItcFTCxTXNg9wLOvyFqk8Lj5LPcGYvg7FhTYkvA="
         *             ],
         *             "checkpoint": "signing-server/log\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— signing-server/log AAAAAQ==\n"
         *           }
         *         }
         *       },
         *       "failures": {},
         *       "skipped": {
         *         ".toc": "TOC"
         *       },
         *       "warnings": []
         *     }
         */
        readonly SignAnswer: {
            /** @description The path as the request named it. */
            readonly path: string;
            /** @description Every name of the listing in name order, skipped entries too; each is in exactly one of the maps. */
            readonly files: readonly string[];
            /** @description Signatures by name. */
            readonly signatures: {
                readonly [key: string]: components["schemas"]["Signature"];
            };
            /** @description Problems by name. */
            readonly failures: {
                readonly [key: string]: components["schemas"]["Problem"];
            };
            /** @description Reasons by name. */
            readonly skipped: {
                readonly [key: string]: components["schemas"]["SkipReason"];
            };
            readonly warnings: readonly components["schemas"]["Warning"][];
        };
        /** @description What became of one item: `signature` or `problem`. */
        readonly BatchOutcome: {
            readonly filename: string;
            readonly signature?: components["schemas"]["Signature"];
            readonly problem?: components["schemas"]["Problem"];
        };
        /** @description The outcome of each item. */
        readonly BatchAnswer: {
            /** @description In the order of the request. */
            readonly items: readonly components["schemas"]["BatchOutcome"][];
            readonly warnings: readonly components["schemas"]["Warning"][];
        };
        /**
         * @description One line of the NDJSON answer. `listing` comes first, `end` last: an answer without `end` was cut off.
         * @example {
         *       "event": "skipped",
         *       "name": ".toc",
         *       "reason": "TOC"
         *     }
         */
        readonly SignEvent: {
            /** @enum {string} */
            readonly event: "listing";
            /**
             * @description What the path is.
             * @enum {string}
             */
            readonly kind: "file" | "directory";
            readonly path: string;
            readonly files: readonly string[];
        } | {
            /** @enum {string} */
            readonly event: "signature";
            /** @description A name of the listing. */
            readonly name: string;
            readonly signature: components["schemas"]["Signature"];
        } | {
            /** @enum {string} */
            readonly event: "failure";
            /** @description A name of the listing. */
            readonly name: string;
            readonly problem: components["schemas"]["Problem"];
        } | {
            /** @enum {string} */
            readonly event: "skipped";
            /** @description A name of the listing. */
            readonly name: string;
            readonly reason: components["schemas"]["SkipReason"];
        } | {
            /** @enum {string} */
            readonly event: "warning";
            readonly warning: components["schemas"]["Warning"];
        } | {
            /** @enum {string} */
            readonly event: "end";
            readonly signed: number;
            readonly failed: number;
            readonly skipped: number;
        };
        /**
         * @description `record`: signature file; `sig`: raw bytes; `dsb`: Digital Signature Block to append; `dsc`: shell script for the Digital Signature Catalog.
         * @enum {string}
         */
        readonly SignatureForm: "record" | "sig" | "dsb" | "dsc";
        /**
         * @description `NO_SIGNATURE`: none was given, none is at the end of the file, none is in the catalogue. `SIGNATURE_MALFORMED`: not of the form it was said to be. `DSB_MALFORMED`, `DSB_STACKED`: what is at the end of the file. `SIGNATURE_WRONG`: no key verifies it over anything known. `DIGEST_DIFFERS`: a signature of this server, over other bytes. `KEY_UNKNOWN`: the keyid it names is not one that this client may use. `RECORD_MISMATCH`: a record of another package, fileset or level. `CONTENT_NEEDED`: it may be of a key that signs whole files, and a digest alone says nothing about it. `KEY_REVOKED`: by a key whose signatures are not to be trusted any more.
         * @enum {string}
         */
        readonly InvalidReason: "NO_SIGNATURE" | "SIGNATURE_MALFORMED" | "DSB_MALFORMED" | "DSB_STACKED" | "SIGNATURE_WRONG" | "DIGEST_DIFFERS" | "KEY_UNKNOWN" | "RECORD_MISMATCH" | "CONTENT_NEEDED" | "KEY_REVOKED";
        /** @description A signature to check. */
        readonly GivenSignature: {
            readonly form: components["schemas"]["SignatureForm"];
            /** @description Base64 for `sig` and `dsb`; text for `record` and `dsc`. */
            readonly value: string;
        };
        /**
         * @description A file that the server can read. Without `signature`: the block at its end, else the catalogue.
         * @example {
         *       "path": "/export/nim/lpp_source/installp/ppc/PkgA.1.0.0.0.bff"
         *     }
         */
        readonly VerifyPathRequest: {
            readonly path: string;
            readonly signature?: components["schemas"]["GivenSignature"];
        };
        /** @description A file by its digest. Without `signature`: the catalogue. */
        readonly VerifyDigestRequest: {
            readonly digest: components["schemas"]["Digest"];
            readonly signature?: components["schemas"]["GivenSignature"];
        };
        /** @description What to verify: by `path` or by `digest`. */
        readonly VerifyRequest: components["schemas"]["VerifyPathRequest"] | components["schemas"]["VerifyDigestRequest"];
        /**
         * @description Whether a signature is valid; if not, why.
         * @example {
         *       "valid": true,
         *       "keyid": "1001",
         *       "signedAt": "2026-11-24T09:15:00.000Z"
         *     }
         */
        readonly Verification: {
            readonly valid: boolean;
            readonly reason?: components["schemas"]["InvalidReason"];
            readonly keyid?: components["schemas"]["Keyid"];
            /**
             * Format: date-time
             * @description When this server signed it, if it did.
             */
            readonly signedAt?: string;
            /** @description For whom, where this client may know. */
            readonly client?: string;
            /**
             * Format: uuid
             * @description The signature in the catalogue, where this client may see it.
             */
            readonly id?: string;
            readonly records?: readonly components["schemas"]["SignatureRecord"][];
            /** @description What a person should know although the signature is valid: that its key signs no more. */
            readonly warnings?: readonly components["schemas"]["Warning"][];
        };
        /**
         * @description A `SignatureForm`, or `proof`: that the signature stands in the tamper-evident log (C2SP tlog-proof).
         * @enum {string}
         */
        readonly ExportForm: "record" | "sig" | "dsb" | "dsc" | "proof";
        /** @description A table that is not what the server wrote. */
        readonly LogFinding: {
            /** @description The table of the database. */
            readonly table: string;
            /** @description What is wrong with it. */
            readonly detail: string;
        };
        /** @description What the server found when it compared its database with what it wrote. */
        readonly LogAudit: {
            /** @description The state of the log that was audited: a signed note (C2SP tlog-checkpoint). */
            readonly checkpoint: string;
            /** @description Whether every row of every table is what the server wrote, and none is missing. */
            readonly intact: boolean;
            readonly findings: readonly components["schemas"]["LogFinding"][];
        };
        /**
         * @description What the entry is; a link is not followed.
         * @enum {string}
         */
        readonly FileKind: "root" | "file" | "directory" | "symlink" | "special";
        /** @description One entry of a listing. */
        readonly FileEntry: {
            readonly name: string;
            readonly kind: components["schemas"]["FileKind"];
            readonly sizeBytes: number;
            /** Format: date-time */
            readonly modifiedAt: string;
            /** @description Recognised by content: `installp` package image, `toc` table of contents, another known format, `other`; null where there is no content to read. */
            readonly format: ("installp" | "compress" | "rpm" | "tar" | "gzip" | "zip" | "xz" | "other" | "toc") | null;
            /** @description Whether this file, with this size and modification time, was signed by path before. */
            readonly signed: boolean;
        };
        /**
         * @description One page of a listing.
         * @example {
         *       "path": "/export/nim/lpp_source/installp/ppc",
         *       "files": [
         *         {
         *           "name": "PkgA.1.0.0.0.bff",
         *           "kind": "file",
         *           "sizeBytes": 3584,
         *           "modifiedAt": "2026-11-24T09:00:00.000Z",
         *           "format": "installp",
         *           "signed": true
         *         }
         *       ],
         *       "nextCursor": null
         *     }
         */
        readonly FileList: {
            /** @description The path as the request named it; null for the list of roots. */
            readonly path: string | null;
            /** @description In name order. */
            readonly files: readonly components["schemas"]["FileEntry"][];
            /** @description Null on the last page. */
            readonly nextCursor: string | null;
        };
        /**
         * @description An operationId of this document.
         * @enum {string}
         */
        readonly Operation: "sign" | "listFiles" | "verify" | "findSignatures" | "getSignature" | "exportSignature" | "getCheckpoint" | "getTile" | "getLogKey" | "auditLog" | "listKeys" | "getKey" | "exportKey" | "whoami";
        /** @description What bounds a client beside the lists; what is not here is not bounded for this client alone. */
        readonly ClientLimits: {
            /** @description Formats it may have signed, of those that the server accepts. */
            readonly formats?: readonly components["schemas"]["Format"][];
            /** @description Filesets it may have signed; `*` stands for any run of characters. */
            readonly filesets?: readonly string[];
            /** @description Largest file it may have signed or verified. */
            readonly maxFileBytes?: number;
            /**
             * Format: date-time
             * @description It may do nothing earlier.
             */
            readonly notBefore?: string;
            /**
             * Format: date-time
             * @description It may do nothing from then on.
             */
            readonly notAfter?: string;
            /** @description The window of time that `requests` and `bytes` are about. */
            readonly windowSeconds?: number;
            /** @description Requests within a window. */
            readonly requests?: number;
            /** @description Bytes within a window, sent or read for it from the roots. */
            readonly bytes?: number;
            /** @description Requests at once. */
            readonly concurrency?: number;
            /** @description Signatures that may be made for it in all. */
            readonly maxSignatures?: number;
        };
        /** @description What is left of those limits that are used up. The window is that of the replica that answers. */
        readonly LeftOver: {
            /** @description Requests in this window. */
            readonly requests?: number;
            /** @description Bytes in this window. */
            readonly bytes?: number;
            /** @description Until the window ends; where nothing is left, until something is. */
            readonly resetSeconds?: number;
            /** @description Requests that may run beside this one. */
            readonly concurrency?: number;
            /** @description Signatures. */
            readonly signatures?: number;
        };
        /**
         * @description Who the server takes the client for, and what it may do.
         * @example {
         *       "name": "release-bot",
         *       "sans": [
         *         "URI:urn:example:release-bot"
         *       ],
         *       "spkiSha256": "2e3784834c7ea56cf7a380a8636120f723075b0cbfe16b5a3426d69f65f5b82c",
         *       "notAfter": "2028-02-27T09:00:00.000Z",
         *       "allow": [
         *         "sign",
         *         "listFiles"
         *       ],
         *       "keys": [
         *         "1001"
         *       ],
         *       "roots": [
         *         "nim"
         *       ],
         *       "digestOnly": false,
         *       "resign": false,
         *       "sees": "own",
         *       "limits": {
         *         "filesets": [
         *           "PkgA.*"
         *         ],
         *         "notAfter": "2026-12-01T00:00:00Z",
         *         "windowSeconds": 60,
         *         "requests": 600,
         *         "maxSignatures": 3
         *       },
         *       "left": {
         *         "requests": 599,
         *         "resetSeconds": 60,
         *         "signatures": 2
         *       }
         *     }
         */
        readonly Whoami: {
            /** @description The name the configuration gives this client. */
            readonly name: string;
            /** @description Subject alternative names of the certificate, such as `URI:urn:example:release-bot`. */
            readonly sans: readonly string[];
            /** @description SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal. */
            readonly spkiSha256: string;
            /**
             * Format: date-time
             * @description When the certificate expires.
             */
            readonly notAfter: string;
            readonly allow: readonly components["schemas"]["Operation"][];
            readonly keys: readonly components["schemas"]["Keyid"][];
            /** @description Names of the roots. */
            readonly roots: readonly string[];
            /** @description Whether it may have a digest signed whose file the server never saw. */
            readonly digestOnly: boolean;
            /** @description Whether it may have other content signed under a level that was signed before. */
            readonly resign: boolean;
            /**
             * @description Whose signatures it may look up.
             * @enum {string}
             */
            readonly sees: "own" | "all";
            readonly limits: components["schemas"]["ClientLimits"];
            readonly left: components["schemas"]["LeftOver"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type ErrorCode = components['schemas']['ErrorCode'];
export type Problem = components['schemas']['Problem'];
export type Keyid = components['schemas']['Keyid'];
export type SigningAlgorithm = components['schemas']['SigningAlgorithm'];
export type KeyForm = components['schemas']['KeyForm'];
export type KeyState = components['schemas']['KeyState'];
export type Acceptance = components['schemas']['Acceptance'];
export type AcceptedBy = components['schemas']['AcceptedBy'];
export type Key = components['schemas']['Key'];
export type KeyList = components['schemas']['KeyList'];
export type Format = components['schemas']['Format'];
export type SignatureRecord = components['schemas']['SignatureRecord'];
export type Receipt = components['schemas']['Receipt'];
export type KeyRevocation = components['schemas']['KeyRevocation'];
export type Signature = components['schemas']['Signature'];
export type FoundSignature = components['schemas']['FoundSignature'];
export type SignatureList = components['schemas']['SignatureList'];
export type SkipReason = components['schemas']['SkipReason'];
export type Warning = components['schemas']['Warning'];
export type Digest = components['schemas']['Digest'];
export type Fileset = components['schemas']['Fileset'];
export type DigestItem = components['schemas']['DigestItem'];
export type SignPathRequest = components['schemas']['SignPathRequest'];
export type SignDigestRequest = components['schemas']['SignDigestRequest'];
export type SignBatchRequest = components['schemas']['SignBatchRequest'];
export type SignAgainRequest = components['schemas']['SignAgainRequest'];
export type SignRequest = components['schemas']['SignRequest'];
export type SignAnswer = components['schemas']['SignAnswer'];
export type BatchOutcome = components['schemas']['BatchOutcome'];
export type BatchAnswer = components['schemas']['BatchAnswer'];
export type SignEvent = components['schemas']['SignEvent'];
export type SignatureForm = components['schemas']['SignatureForm'];
export type InvalidReason = components['schemas']['InvalidReason'];
export type GivenSignature = components['schemas']['GivenSignature'];
export type VerifyPathRequest = components['schemas']['VerifyPathRequest'];
export type VerifyDigestRequest = components['schemas']['VerifyDigestRequest'];
export type VerifyRequest = components['schemas']['VerifyRequest'];
export type Verification = components['schemas']['Verification'];
export type ExportForm = components['schemas']['ExportForm'];
export type LogFinding = components['schemas']['LogFinding'];
export type LogAudit = components['schemas']['LogAudit'];
export type FileKind = components['schemas']['FileKind'];
export type FileEntry = components['schemas']['FileEntry'];
export type FileList = components['schemas']['FileList'];
export type Operation = components['schemas']['Operation'];
export type ClientLimits = components['schemas']['ClientLimits'];
export type LeftOver = components['schemas']['LeftOver'];
export type Whoami = components['schemas']['Whoami'];
export type $defs = Record<string, never>;
export interface operations {
    readonly sign: {
        readonly parameters: {
            readonly query?: {
                /** @description Base name of the uploaded file; for an upload only, and there it must be given. */
                readonly filename?: string;
                readonly keyid?: components["schemas"]["Keyid"];
                /** @description Sign again even where the same content was signed by this key before. */
                readonly force?: boolean;
                /** @description Sign other content under a fileset level that was signed before; only for clients whose policy allows it. */
                readonly resign?: boolean;
            };
            readonly header?: {
                /**
                 * @description Makes the request safe to repeat (draft-ietf-httpapi-idempotency-key-header-07): 1 to 255 visible ASCII characters, such as a UUID, bare or in double quotes. The same key with the same request gets the same answer again, byte for byte, with `Idempotent-Replayed: true`; with another request `IDEMPOTENCY_KEY_REUSED`; while the first still runs `REQUEST_IN_PROGRESS`. A key belongs to its client. Answers are kept for 1 day (`idempotency.keepMs`: 86400000).
                 * @example 8e03978e-40d5-43dd-bc93-6894a57f9324
                 */
                readonly "Idempotency-Key"?: string;
            };
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["SignRequest"];
                readonly "application/octet-stream": unknown;
            };
        };
        readonly responses: {
            /** @description Every name of the listing with its outcome, or the outcome of each item. A directory or a batch of which some fail is still 200. */
            readonly 200: {
                headers: {
                    /** @description There when this is the answer to an earlier request with the same Idempotency-Key; a problem that is repeated has it too. */
                    readonly "Idempotent-Replayed"?: "true";
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SignAnswer"] | components["schemas"]["BatchAnswer"];
                    readonly "application/x-ndjson": components["schemas"]["SignEvent"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid; `IDEMPOTENCY_KEY_MALFORMED` Idempotency-Key malformed; `BODY_MALFORMED` Body is not JSON; `PATH_MALFORMED` Path malformed; `DIGEST_MALFORMED` Digest header malformed; `DIGEST_MISMATCH` Digest differs; `KEYID_REQUIRED` Key not named */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed; `FORMAT_NOT_ALLOWED` Format not allowed; `FILESET_NOT_ALLOWED` Fileset not allowed; `SIGNATURE_COUNT_REACHED` No more signatures for this client; `PATH_OUTSIDE_ROOTS` Path outside the roots; `PATH_UNREADABLE` Path unreadable; `DIGEST_NOT_ALLOWED` Digest alone not allowed; `RESIGN_NOT_ALLOWED` Signing anew not allowed; `KEY_NOT_AVAILABLE` Key not available */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route; `SIGNATURE_NOT_FOUND` No such signature */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_IN_PROGRESS` Request in progress; `FILE_CHANGED` File changed; `FILESET_LEVEL_ALREADY_SIGNED` Level signed before with other content; `CONTENT_UNAVAILABLE` Content not available */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `BODY_TOO_LARGE` Body too large; `FILE_TOO_LARGE` File too large; `DIRECTORY_TOO_LARGE` Directory too large */
            readonly 413: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CONTENT_TYPE_UNSUPPORTED` Content type not supported */
            readonly 415: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `IDEMPOTENCY_KEY_REUSED` Idempotency-Key used before; `FILE_NAME_REFUSED` File name refused; `FILE_KIND_REFUSED` Not a regular file; `NOT_A_PACKAGE` Not a package; `PACKAGE_MALFORMED` Package malformed; `DSB_MALFORMED` Signature block malformed; `DSB_STACKED` More than one signature block; `FORMAT_NOT_ACCEPTED` Format not accepted; `DIGEST_NOT_SIGNABLE` Digest alone cannot be signed; `KEY_NOT_SUITABLE` Key not suitable; `KEY_NOT_YET_VALID` Key not yet valid; `KEY_EXPIRED` Key expired; `KEY_RETIRED` Key retired; `KEY_REVOKED` Key revoked */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_ABORTED` Client went away */
            readonly 499: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SIGNER_FAILED` Signer failed; `SIGNER_OUTPUT_TOO_LARGE` Signer output too large; `SIGNER_NO_RECORD` Signer made no record; `SIGNER_RECORD_MALFORMED` Signature record malformed; `SIGNER_SIGNATURE_TRUNCATED` Signature of the wrong length; `SIGNER_RECORD_MISMATCH` Signature record of another package; `SIGNATURE_INVALID` Signature does not verify */
            readonly 502: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `SIGNER_BUSY` Signer busy; `SIGNER_NOT_AVAILABLE` Signer not available; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SIGNER_TIMEOUT` Signer too slow */
            readonly 504: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `STORAGE_FULL` No space left */
            readonly 507: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly listFiles: {
        readonly parameters: {
            readonly query?: {
                /** @description A directory or a file; without it the roots of this client by name. */
                readonly path?: string;
                /** @description How many entries to answer with at the most. */
                readonly limit?: number;
                /** @description `nextCursor` of the answer before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description One page of the listing. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["FileList"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid; `PATH_MALFORMED` Path malformed */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed; `PATH_OUTSIDE_ROOTS` Path outside the roots; `PATH_UNREADABLE` Path unreadable */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `FILE_CHANGED` File changed */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `DIRECTORY_TOO_LARGE` Directory too large */
            readonly 413: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `FILE_NAME_REFUSED` File name refused */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly verify: {
        readonly parameters: {
            readonly query?: {
                /** @description Base name of the uploaded file; for an upload only, and there it must be given. */
                readonly filename?: string;
                /** @description With `value`, the signature over the uploaded file, as in `GivenSignature`. */
                readonly form?: "record" | "sig" | "dsb" | "dsc";
                /** @description See `form`. A `+` of base64 is written `%2B` in a URL. */
                readonly value?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["VerifyRequest"];
                readonly "application/octet-stream": unknown;
            };
        };
        readonly responses: {
            /** @description Valid or not, and why. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Verification"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid; `BODY_MALFORMED` Body is not JSON; `PATH_MALFORMED` Path malformed; `DIGEST_MALFORMED` Digest header malformed; `DIGEST_MISMATCH` Digest differs */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed; `PATH_OUTSIDE_ROOTS` Path outside the roots; `PATH_UNREADABLE` Path unreadable */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `FILE_CHANGED` File changed */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `BODY_TOO_LARGE` Body too large; `FILE_TOO_LARGE` File too large */
            readonly 413: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CONTENT_TYPE_UNSUPPORTED` Content type not supported */
            readonly 415: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `FILE_KIND_REFUSED` Not a regular file; `FILE_NAME_REFUSED` File name refused */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_ABORTED` Client went away */
            readonly 499: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `STORAGE_FULL` No space left */
            readonly 507: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly findSignatures: {
        readonly parameters: {
            readonly query?: {
                /** @description Package name, exactly. */
                readonly package?: string;
                /** @description Fileset name, exactly. */
                readonly fileset?: string;
                /** @description Version.release.modification.fix, exactly; with `fileset` of the same record. */
                readonly vrmf?: string;
                /** @description SHA-256 of the signed bytes. */
                readonly sha256?: string;
                readonly keyid?: components["schemas"]["Keyid"];
                /** @description Name of the client it was made for. */
                readonly client?: string;
                readonly format?: components["schemas"]["Format"];
                /** @description `record`: signatures with records of an installp package; `sig`: detached ones. */
                readonly form?: "record" | "sig";
                /** @description Signed at this time or later, RFC 3339. */
                readonly since?: string;
                /** @description Signed before this time, RFC 3339. */
                readonly until?: string;
                /** @description How many to answer with at the most, 100 without it; of an NDJSON answer how many in all, and all without it. */
                readonly limit?: number;
                /** @description `nextCursor` of the answer before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description One page, or everything line by line. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SignatureList"];
                    readonly "application/x-ndjson": components["schemas"]["FoundSignature"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly getSignature: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The `id` of the signature. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The signature. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Signature"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route; `SIGNATURE_NOT_FOUND` No such signature */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly exportSignature: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The `id` of the signature. */
                readonly id: string;
                readonly form: components["schemas"]["ExportForm"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The file, with its name in Content-Disposition. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/plain": unknown;
                    readonly "application/octet-stream": unknown;
                    readonly "text/x-shellscript": unknown;
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route; `SIGNATURE_NOT_FOUND` No such signature */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `FORM_NOT_AVAILABLE` Form not available; `KEY_REVOKED` Key revoked */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly getCheckpoint: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A signed note. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/plain": string;
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly getTile: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description `<L>/<N>` for a tile of 256 hashes, `entries/<N>` for a bundle of 256 entries, behind a partial one `.p/<W>`: as C2SP tlog-tiles writes it. A path of several segments: its slashes may stand as they are or as `%2F`. */
                readonly tile: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The hashes or the entries. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/octet-stream": unknown;
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route; `TILE_NOT_FOUND` No such tile */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly getLogKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A verifier key and a line end. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "text/plain": string;
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly auditLog: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description What was found. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["LogAudit"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly listKeys: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The keys. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["KeyList"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly getKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly keyid: components["schemas"]["Keyid"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The key. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Key"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed; `KEY_NOT_AVAILABLE` Key not available */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly exportKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly keyid: components["schemas"]["Keyid"];
                readonly form: components["schemas"]["KeyForm"];
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The file, with its name in Content-Disposition. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/x-pem-file": unknown;
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed; `KEY_NOT_AVAILABLE` Key not available */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `FORM_NOT_AVAILABLE` Form not available */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readonly whoami: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The client. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Whoami"];
                };
            };
            /** @description `REQUEST_MALFORMED` Not an HTTP request; `REQUEST_INVALID` Request invalid */
            readonly 400: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `CLIENT_UNKNOWN` Client not listed; `CLIENT_NOT_YET_VALID` Client not yet valid; `CLIENT_EXPIRED` Client expired; `OPERATION_DENIED` Operation not allowed */
            readonly 403: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `ROUTE_NOT_FOUND` No such route */
            readonly 404: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `REQUEST_TIMEOUT` Request too slow */
            readonly 408: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `RATE_LIMITED` Too many requests; `CLIENT_BUSY` Too many requests at once */
            readonly 429: {
                headers: {
                    /** @description Whole seconds: who waits for them is let in, as far as the rate goes. */
                    readonly "Retry-After"?: number;
                    /** @description The limits of this client: `"requests";q=600;w=60` (draft-ietf-httpapi-ratelimit-headers-11). */
                    readonly "RateLimit-Policy"?: string;
                    /** @description What is left of each, and for how many seconds no more: `"requests";r=599;t=60`. */
                    readonly RateLimit?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `HEADERS_TOO_LARGE` Header fields too large */
            readonly 431: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `INTERNAL` Internal error */
            readonly 500: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `SERVER_BUSY` Server busy; `SHUTTING_DOWN` Server shutting down; `STORE_FAILED` Catalogue not writable */
            readonly 503: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
