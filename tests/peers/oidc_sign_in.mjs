// Plays Entra's sign-in of one directory with the certified OpenID provider `oidc-provider`, over TLS, at the addresses that Entra has for it.
// The first line of standard input is the settings; each further line says how the next id_tokens are falsified, `{}` for not at all. Prints
// the port it listens on, then a line for each line read, and ends when standard input does.
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import Provider, { interactionPolicy } from 'oidc-provider';

const lines = createInterface({ input: process.stdin });
console.info = console.error; // what the provider remarks; standard output is for our answers
let settings;
let lie = {};
const begun = new Promise((resolve) => {
  lines.on('line', (line) => {
    if (settings) {
      lie = JSON.parse(line);
      process.stdout.write('ok\n');
    } else {
      settings = JSON.parse(line);
      resolve();
    }
  });
});
lines.on('close', () => process.exit(0));
await begun;

const pair = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const [ours, foreign] = [pair(), pair()];
const policy = interactionPolicy.base();
policy.remove('consent');
policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);
const own = `/${settings.directory}`;

const provider = new Provider(settings.issuer, {
  clients: [
    {
      client_id: settings.client,
      client_secret: settings.secret,
      token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: [settings.redirect],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  claims: { openid: ['sub', 'tid', 'oid', 'nbf', 'roles'], profile: ['name', 'preferred_username'] },
  conformIdTokenClaims: false,
  cookies: { keys: ['of a test'] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, nbf: Math.floor(Date.now() / 1000), ...settings.people[id] }) }),
  interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
  jwks: { keys: [{ ...ours.export({ format: 'jwk' }), kid: 'ours', use: 'sig', alg: 'RS256' }] },
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 3600, Interaction: 600, Session: 600 },
  routes: { authorization: `${own}/oauth2/v2.0/authorize`, token: `${own}/oauth2/v2.0/token`, jwks: '/common/discovery/v2.0/keys' },
});

const base64 = (value) => Buffer.from(value).toString('base64url');

// The same token with other words in it, signed as the lie says.
function falsified(token) {
  const [header, claims] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  const shifted = (lie.shift ?? []).map(([name, seconds]) => [name, Math.floor(Date.now() / 1000) + seconds]);
  const text = `${base64(JSON.stringify({ ...header, ...lie.header }))}.${base64(JSON.stringify({ ...claims, ...lie.claims, ...Object.fromEntries(shifted) }))}`;
  switch (lie.signed) {
    case 'not at all':
      return `${text}.`;
    case 'with the public key as a secret':
      return `${text}.${createHmac('sha256', createPublicKey(ours).export({ type: 'spki', format: 'pem' })).update(text).digest('base64url')}`;
    case 'by somebody else':
      return `${text}.${sign('sha256', Buffer.from(text), foreign).toString('base64url')}`;
    default:
      return `${text}.${sign('sha256', Buffer.from(text), ours).toString('base64url')}`;
  }
}

provider.use(async (context, next) => {
  await next();
  if (context.body?.id_token && Object.keys(lie).length > 0) context.body.id_token = falsified(context.body.id_token);
});

const answer = provider.callback();
const page = (people) => `<!doctype html><title>Pick an account</title><form method="post">${people
  .map((id) => `<button name="account" value="${id}">${id}</button>`)
  .join(' ')}</form>`;

const server = createServer({ cert: readFileSync(settings.tlsCertificate), key: readFileSync(settings.tlsKey) }, async (request, response) => {
  if (!request.url.startsWith('/interaction/')) return answer(request, response);
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html');
    return response.end(page(Object.keys(settings.people)));
  }
  let body = '';
  for await (const piece of request) body += piece;
  const accountId = new URLSearchParams(body).get('account');
  return provider.interactionFinished(request, response, { select_account: {}, login: { accountId } });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
