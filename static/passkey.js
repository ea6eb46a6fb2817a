// Passkeys: a form that bears what a browser is to be asked sends the answer along. Without this script, or in a browser that knows no passkeys, it
// says so and nothing else is changed.
"use strict";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const told = form.querySelector("[role=status]");
  const button = form.querySelector("button");
  const makes = form.dataset.passkey === "make";
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue;
  told.textContent = "";
  button.hidden = false;

  const ask = async () => {
    button.disabled = true;
    told.textContent = "Waiting for your passkey…";
    try {
      const asked = JSON.parse(form.dataset.options);
      const answer = makes
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) });
      form.elements[form.dataset.field].value = JSON.stringify(answer.toJSON());
      form.submit();
    } catch (error) {
      const known = error.name === "InvalidStateError" ? "This device has a passkey for your account already." : "That did not work, or was cancelled.";
      told.textContent = `${known} You can try again.`;
      button.disabled = false;
    }
  };

  button.addEventListener("click", (event) => {
    event.preventDefault();
    if (form.reportValidity()) ask();
  });
  if (!makes) ask();
}
