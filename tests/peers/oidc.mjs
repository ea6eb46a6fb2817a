// Plays a token endpoint with the certified OpenID provider `oidc-provider`, over TLS, at the address that Entra's has for one directory.
// Reads one JSON object from standard input, prints the port it listens on, and ends when standard input does.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
const settings = await new Promise((resolve) => lines.once('line', (line) => resolve(JSON.parse(line))));
lines.on('close', () => process.exit(0));

const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: settings.scope };
const key = new X509Certificate(settings.certificate).publicKey.export({ format: 'jwk' });
const provider = new Provider(settings.issuer, {
  clients: [
    { ...machine, client_id: settings.bySecret, client_secret: settings.secret, token_endpoint_auth_method: 'client_secret_post' },
    {
      ...machine,
      client_id: settings.byCertificate,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'PS256',
      jwks: { keys: [{ ...key, use: 'sig', alg: 'PS256' }] },
    },
  ],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  routes: { token: settings.path },
  scopes: [settings.scope],
});

const server = createServer({ cert: readFileSync(settings.tlsCertificate), key: readFileSync(settings.tlsKey) }, provider.callback());
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
