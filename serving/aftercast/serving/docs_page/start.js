// Starts Swagger UI. A file of its own, because the page's policy forbids scripts that stand in the page.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#interface",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false, // a key in the browser's storage would outlive the visit and be there for the next person
  validatorUrl: "none", // the usual one sends the document to a server on the internet
});
