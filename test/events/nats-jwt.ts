/**
 * Accounts and users as an operator of NATS signs them (ADR-14 of NATS): JWTs over nkeys, made here
 * because the tool that makes them is not at hand everywhere.
 */
import { createHash } from 'node:crypto';
import { nkeys } from 'nats';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const HEADER = { typ: 'JWT', alg: 'ed25519-nkey' };
/** Everything, without a bound. */
const LIMITS = {
  subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1,
};

/** An operator with one account and one user: what the server and what the user must know. */
export function decentralised(): {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly credentials: string;
} {
  const [operator, account, user] = [
    nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser(),
  ];
  const accountJwt = signed(account, operator, 'account', { limits: LIMITS });
  const userJwt = signed(user, account, 'user', { subs: -1, data: -1, payload: -1 });
  const seed = new TextDecoder().decode(user.getSeed());
  return {
    settings: {
      operator: signed(operator, operator, 'operator', {}),
      resolver: 'MEMORY',
      resolver_preload: { [account.getPublicKey()]: accountJwt },
    },
    credentials: [
      '-----BEGIN NATS USER JWT-----', userJwt, '------END NATS USER JWT------', '',
      '-----BEGIN USER NKEY SEED-----', seed, '------END USER NKEY SEED------', '',
    ].join('\n'),
  };
}

function signed(subject: KeyPair, issuer: KeyPair, type: string, nats: object): string {
  const claims = {
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: type,
    nats: { ...nats, type, version: 2 },
  };
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('base64url');
  const body = [HEADER, { ...claims, jti }].map((part) => base64url(JSON.stringify(part))).join('.');
  return `${body}.${base64url(issuer.sign(new TextEncoder().encode(body)))}`;
}

function base64url(bytes: string | Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
