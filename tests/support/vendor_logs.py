# ruff: noqa: E501 (a line of a log is as long as it is)
"""Lines and records of vendors' logs, written from their documentation: one AI visit each, among others."""

from __future__ import annotations

import json
from typing import Any

ZSCALER_ROW = (
    '"Fri Dec 31 07:07:07 2021","mara@corp.example","HTTPS","chatgpt.com/backend-api/conversation","Allowed","ChatGPT",'
    '"AI and ML Applications","52000","14061","0","0","Productivity Loss","Internet","AI","None","None","0","None","None","Berlin",'
    '"Sales","10.0.0.7","203.0.113.9","POST","200","Mozilla/5.0, like Gecko","None","FwFilter","Firewall_1","Other","None","NA","NA"'
)

LINES: dict[str, str] = {
    "umbrella": """
"2026-01-05 10:00:00","Lind, Mara (mara@corp.example)","Lind, Mara (mara@corp.example),Berlin, Site 2","10.0.0.7","198.51.100.4","Allowed","1 (A)","NOERROR","chatgpt.com.","Software/Technology,Business Services","AD Users","AD Users,Sites",""
"2026-01-05 10:00:01","Berlin","Berlin","10.0.0.8","198.51.100.4","Blocked","28 (AAAA)","NOERROR","claude.ai.","Chat","Sites","Sites","Chat"
"2015-01-16 17:48:41","jonas", "jonas,ADSite,Network", "10.10.1.100","198.51.100.4","Allowed","1 (A)", "NOERROR","api.openai.com.", "Chat,Photo Sharing"
"2026-01-05 10:00:02","jonas","jonas","10.0.0.9","198.51.100.4","Allowed","1 (A)","NOERROR","www.bbc.co.uk.","News","AD Users","AD Users",""
"2026-01-05 10:00:03","jonas","10.0.0.9","198.51.100.4","203.0.113.9","application/json","ALLOWED","https://api.openai.com/v1/chat/completions","","python, requests","200","52000","1489","","","AI","","","","","","AD Users","","jonas","AD Users","POST","","","completions","1","",""
"2026-01-05 10:00:04","jonas","10.0.0.9","198.51.100.4","203.0.113.9","text/html","ALLOWED","https://www.bbc.co.uk/?u=https://claude.ai/","https://chatgpt.com/","Mozilla","200","562","1489","","","News","","","","","","AD Users","","jonas","AD Users","GET","","","","1","",""
""",
    "nextdns": """
timestamp,domain,query_type,dnssec,protocol,client_ip,status,reasons,destination_country,root_domain,device_id,device_name
2026-01-05T10:00:00.123Z,chatgpt.com,A,false,DNS-over-HTTPS,10.0.0.7,,,US,chatgpt.com,A1B2C,laptop
2026-01-05T10:00:01Z,claude.ai,HTTPS,true,UDP,10.0.0.8,blocked,"blocklist:ai,denylist",US,claude.ai,A1B2C,laptop
2026-01-05T10:00:02Z,chatgpt.com.evil.example,A,false,DoT,10.0.0.8,,,US,evil.example,A1B2C,laptop
""",
    "zscaler-feed": f"""
{ZSCALER_ROW}
{ZSCALER_ROW.replace("chatgpt.com/backend-api/conversation", "www.bbc.co.uk/?q=chatgpt.com").replace('"ChatGPT"', '"BBC"')}
2026-01-05 10:00:00\treason=Allowed\tevent_id=1\tprotocol=HTTPS\taction=Allowed\trequestsize=9000\tresponsesize=10\tproduct=NSS\tClientIP=10.0.0.7\tuser=mara@corp.example\turl="claude.ai/new"\tvendor=Zscaler\thostname=claude.ai
""",
    "panos": """
<14>Jan  5 10:00:00 fw1 1,2026/01/05 10:00:00,012345678901,THREAT,url,2562,2026/01/05 10:00:00,10.0.0.7,203.0.113.7,0.0.0.0,0.0.0.0,"allow, web",corp\\mara,,ssl,vsys1,trust,untrust,ethernet1/2,ethernet1/1,fwd,2026/01/05 10:00:00,1,1,50000,443,0,0,0x0,tcp,alert,"chatgpt.com/backend-api/conversation?a=1,2",(9999),ai,informational,client-to-server,1,0x0,10.0.0.0-10.255.255.255,United States,,text/html,0,,,1,"Mozilla, like",,,"https://www.bbc.co.uk/",,,,0,0,0,0,0,,fw1,,,,POST
1,2026/01/05 10:00:01,012345678901,TRAFFIC,end,2561,2026/01/05 10:00:01,10.0.0.8,203.0.113.10,0.0.0.0,0.0.0.0,allow-web,,,openai-base,vsys1,trust,untrust,ethernet1/2,ethernet1/1,default,2026/01/05 10:00:01,2,1,53012,443,40002,443,0x400053,tcp,allow,70000,52000,18000,40,2026/01/05 09:59:30,28,ai,0,7300000000000000002,0x0,10.0.0.0-10.255.255.255,United States,0,22,18,aged-out
1,2026/01/05 10:00:02,012345678901,THREAT,url,2562,2026/01/05 10:00:02,10.0.0.7,203.0.113.7,0.0.0.0,0.0.0.0,no-ai,corp\\jonas,,ssl,vsys1,trust,untrust,ethernet1/2,ethernet1/1,fwd,2026/01/05 10:00:02,3,1,50000,443,0,0,0x0,tcp,block-url,"claude.ai/",(9999),ai,informational,client-to-server,1,0x0,10.0.0.0-10.255.255.255,United States,,,0,,,1,,,,"https://chatgpt.com/",,,,0
1,2026/01/05 10:00:03,012345678901,THREAT,url,2562,2026/01/05 10:00:03,10.0.0.7,203.0.113.7,0.0.0.0,0.0.0.0,allow-web,corp\\jonas,,ssl,vsys1,trust,untrust,ethernet1/2,ethernet1/1,fwd,2026/01/05 10:00:03,3,1,50000,443,0,0,0x0,tcp,alert,"www.bbc.co.uk/?q=chatgpt.com",(9999),news,informational,client-to-server,1,0x0,10.0.0.0-10.255.255.255,United States,,,0,,,1,,,,"https://chatgpt.com/",,,,0
1,2026/01/05 10:00:04,012345678901,SYSTEM,general,0,2026/01/05 10:00:04,,general,,0,0,general,informational,"chatgpt.com"
""",
    "fortigate": """
<189>date=2026-01-05 time=10:00:00 devname="fgt1" devid="FGT60E" eventtime=1767607200000000000 tz="+0000" logid="0317013312" type="utm" subtype="webfilter" eventtype="ftgd_allow" level="notice" vd="root" policyid=1 user="mara" srcip=10.0.0.7 dstip=203.0.113.7 service="HTTPS" hostname="chatgpt.com" action="passthrough" httpmethod="POST" url="/backend-api/conversation" sentbyte=52000 rcvdbyte=900 msg="URL belongs to an allowed category" referralurl="https://www.bbc.co.uk/"
date=2026-01-05 time=12:00:01 tz="+0200" logid="1059028704" type="utm" subtype="app-ctrl" eventtype="signature" level="information" appid=53512 user="jonas" srcip=10.0.0.8 dstip=203.0.113.7 service="SSL" action="block" appcat="GenAI" app="ChatGPT" clouduser="jonas@gmail.example" hostname="cdn.example" url="/" msg="GenAI: ChatGPT"
date=2026-01-05 time=10:00:02 logid="0000000013" type="traffic" subtype="forward" level="notice" eventtime=1767607202 srcip=10.0.0.9 dstip=203.0.113.7 action="close" service="HTTPS" app="SSL" sentbyte=1188 rcvdbyte=1224
date=2026-01-05 time=10:00:03 logid="0317013312" type="utm" subtype="webfilter" level="notice" eventtime=1767607203 srcip=10.0.0.9 hostname="www.bbc.co.uk" action="passthrough" url="/?q= hostname=claude.ai" agent="fetch hostname=claude.ai" referralurl="https://claude.ai/"
""",
    "sophos": """
<30>device="SFW" date=2026-01-05 time=10:00:00 timezone="GMT" device_name="XG" device_id=C01 log_id=050901616001 log_type="Content Filtering" log_component="HTTP" log_subtype="Allowed" status="" priority=Information fw_rule_id=1 user_name="mara" user_gp="Open Group" category="AI" url="https://chatgpt.com/" contenttype="text/html" src_ip=10.0.0.7 dst_ip=203.0.113.7 protocol="TCP" sent_bytes=52000 recv_bytes=900 domain=chatgpt.com
Jan  5 10:00:01 sophos device_name="SFW" timestamp="2026-01-05T12:00:01+0200" device_model="SFVH" log_id=050902616002 log_type="Content Filtering" log_component="HTTP" log_subtype="Denied" severity="Information" url="https://claude.ai" src_ip="10.0.0.8" bytes_sent=19591 bytes_received=0 domain="claude.ai" http_status="403"
Jan  5 10:00:02 sophos device_name="SFW" timestamp="2026-01-05T10:00:02+0000" log_id=050902616002 log_type="Content Filtering" log_component="HTTP" log_subtype="Allowed" url="https://www.bbc.co.uk/?u=https://claude.ai/" src_ip="10.0.0.8" bytes_sent=1 domain="www.bbc.co.uk" referer="https://chatgpt.com/"
2026:01:05-10:00:03 utm1 httpproxy[6267]: id="0001" severity="info" sys="SecureWeb" sub="http" name="http access" action="pass" method="POST" srcip="10.0.0.9" dstip="203.0.113.7" user="lea" statuscode="200" size="311" url="https://api.openai.com/v1/chat/completions" referer="" application="openai" app-id="816"
""",
    "checkpoint": """
<134>1 2026-01-05T10:00:00Z gw CheckPoint 7776 - [action:"Accept"; flags:"444676"; ifdir:"outbound"; loguid:"{0x5e819dc3,0x0}"; origin:"192.0.2.1"; originsicname:"cn=cp_mgmt,o=gw"; time:"1767607200"; version:"5"; appi_name:"ChatGPT"; client_outbound_bytes:"52000"; dst:"203.0.113.7"; method:"POST"; product:"URL Filtering"; resource:"https://chatgpt.com/backend-api/conversation"; server_outbound_bytes:"900"; src:"10.0.0.7"; src_user_name:"Mara Lind (mara)"]
<134>1 2026-01-05T10:00:01Z gw CheckPoint 7776 - [action:"Block"; loguid:"{0x1,0x0}"; origin:"192.0.2.1"; time:"1767607201"; appi_name:"Perplexity"; dst:"203.0.113.7"; product:"Application Control"; src:"10.0.0.8"]
time=1767607202|hostname=gw|severity=Informational|product=URL Filtering|action=Accept|ifdir=outbound|loguid={0x2,0x0}|origin=192.0.2.1|resource=https://claude.ai/|src=10.0.0.9
<134>1 2026-01-05T10:00:03Z gw CheckPoint 7776 - [action:"Accept"; loguid:"{0x3,0x0}"; origin:"192.0.2.1"; time:"1767607203"; product:"URL Filtering"; resource:"http://www.bbc.co.uk/?a=\\"; resource:\\"https://claude.ai/"; src:"10.0.0.9"; web_client_type:"claude.ai"]
""",
    "cef": """
<134>Jan  5 10:00:00 proxy CEF:0|Vendor \\| Co|WebProxy|1.0|100|Web request|3|rt=1767607200000 src=10.0.0.7 suser=mara@corp.example dhost=chatgpt.com request=https://chatgpt.com/backend-api/conversation?a\\=1 requestMethod=POST out=52000 in=900 act=allowed requestContext=https://www.bbc.co.uk/ requestClientApplication=Mozilla/5.0 (X11) Gecko
CEF:0|Zscaler|NSSWeblog|6.1|Blocked|Blocked|3| act=Blocked app=HTTPS rt=Jan 05 2026 10:00:01 dhost=claude.ai in=900 out=52000 src=10.0.0.8 suser=jonas@corp.example request=claude.ai/new
<134>1 2026-01-05T10:00:02Z fw - - - [meta sequenceId="1"] CEF:0|Palo Alto Networks|PAN-OS|11.0|end|TRAFFIC|1|src=10.0.0.9 app=openai-base act=allow out=100 in=200
CEF:0|Vendor|WebProxy|1.0|100|Web request|3|rt=1767607203000 src=10.0.0.9 dhost=www.bbc.co.uk request=https://www.bbc.co.uk/?u\\=https://claude.ai/ requestContext=https://chatgpt.com/ requestClientApplication=fetch dhost\\=claude.ai act=allowed
""",
    "leef": """
LEEF:2.0|Vendor|Proxy|2.1|web|^|devTime=1767607200000^src=10.0.0.7^usrName=mara^dst=203.0.113.7^url=https://chatgpt.com/x=1^srcBytes=52000^dstBytes=900^action=allow^referrer=https://www.bbc.co.uk/
LEEF:2.0|Vendor|Proxy|2.1|web|x09|devTime=Jan 05 2026 10:00:01\tsrc=10.0.0.8\tusrName=jonas\turl=https://claude.ai/\taction=blocked
<13>Jan  5 10:00:02 fw LEEF:2.0|Vendor|Proxy|2.1|web|0x5E|devTime=1767607202^src=10.0.0.9^url=api.openai.com/v1/chat/completions^requestMethod=POST
LEEF:1.0|Zscaler|NSS|4.1|Allowed|cat=Allowed\tdevTime=Jan 05 2026 10:00:03 GMT\tdevTimeFormat=MMM dd yyyy HH:mm:ss z\tsrc=10.0.0.9\tusrName=lea\tsrcBytes=100\tdstBytes=200\turl=claude.ai/new\treferer=None
LEEF:1.0|Vendor|Proxy|1.0|web|src=10.0.0.9\turl=https://www.bbc.co.uk/?u=https://claude.ai/\treferrer=https://chatgpt.com/
""",
}

TIMES = {"Datetime": "2026-01-05T10:00:00Z"}
RECORDS: dict[str, list[dict[str, Any]]] = {
    "cloudflare-gateway": [
        TIMES | {"QueryName": "chatgpt.com", "Email": "mara@corp.example", "SrcIP": "10.0.0.7", "ResolverDecision": "allowedOnNoPolicyMatch"},
        TIMES | {"HTTPHost": "claude.ai", "HTTPMethod": "POST", "URL": "https://claude.ai/api/append_message", "Email": "non_identity@corp.cloudflareaccess.com",
                 "SourceIP": "10.0.0.8", "Action": "allow", "UploadedFileNames": ["plan.docx"]},
        TIMES | {"HTTPHost": "api.openai.com", "HTTPMethod": "POST", "URL": "https://api.openai.com/v1/chat/completions", "Email": "jonas@corp.example",
                 "SourceIP": "10.0.0.9", "Action": "block"},
        TIMES | {"SNI": "claude.ai", "Email": "lea@corp.example", "SourceIP": "10.0.0.9", "Action": "allowedOnNoRuleMatch"},
        TIMES | {"HTTPHost": "www.bbc.co.uk", "HTTPMethod": "GET", "URL": "https://www.bbc.co.uk/", "Referer": "https://claude.ai/", "SourceIP": "10.0.0.9"},
    ],
    "zscaler": [
        {"sourcetype": "zscalernss-web", "event": {"time": "Fri Dec 31 07:07:07 2021", "login": "mara@corp.example", "eurl": "chatgpt.com/backend-api/conversation",
         "cip": "10.0.0.7", "reqmethod": "POST", "reqsize": "52000", "respsize": "900", "action": "Allowed", "ereferer": "www.bbc.co.uk/"}},
        {"sourcetype": "zscalernss-dns", "event": {"datetime": "Fri Dec 31 07:07:08 2021", "user": "jonas@corp.example", "dns_req": "claude.ai", "clt_sip": "10.0.0.8",
         "reqaction": "REQ_BLOCK"}},
        {"sourcetype": "zscalernss-fw", "event": {"datetime": "Fri Dec 31 07:07:09 2021", "user": "None", "csip": "10.0.0.9", "nwapp": "ChatGPT", "action": "Allow",
         "inbytes": 900, "outbytes": 52000}},
        {"sourcetype": "zscalernss-web", "event": {"time": "Fri Dec 31 07:07:10 2021", "login": "lea", "eurl": "www.bbc.co.uk/?q=chatgpt.com", "cip": "10.0.0.9",
         "ereferer": "https://chatgpt.com/", "ua": "claude.ai", "appname": "General Browsing"}},
    ],
    "netskope": [
        {"timestamp": 1767607200, "type": "page", "user": "mara@corp.example", "srcip": "10.0.0.7", "domain": "chatgpt.com", "url": "chatgpt.com/",
         "client_bytes": 52000, "server_bytes": 900, "access_method": "Client"},
        {"timestamp": 1767607201, "type": "nspolicy", "record_type": "application", "user": "jonas@corp.example", "app": "ChatGPT", "site": "ChatGPT", "activity": "Post",
         "from_user": "jonas@gmail.example", "traffic_type": "CloudApp", "ur_normalized": "jonas@corp.example", "url": "cdn.example/x", "hostname": "claude.ai"},
        {"timestamp": 1767607202, "user": "lea", "app": "ChatGPT", "activity": "Upload", "action": "block", "access_method": "Client", "userkey": "lea"},
        {"timestamp": 1767607203, "user": "lea", "domain": "www.bbc.co.uk", "url": "www.bbc.co.uk/?q=claude.ai", "referer": "https://claude.ai/", "access_method": "Client",
         "userkey": "lea"},
    ],
}  # fmt: skip


def source(form_id: str) -> list[Any]:
    """The lines or records of one format."""
    if form_id in RECORDS:
        return json.loads(json.dumps(RECORDS[form_id]))  # type: ignore[no-any-return]
    return [line.encode() for line in LINES[form_id].strip("\n").split("\n")]


def trail(name: str, host: str, **more: object) -> dict[str, Any]:
    """A record of CloudTrail."""
    return {
        "eventVersion": "1.09", "eventTime": "2026-01-05T10:00:00Z", "awsRegion": "us-east-1", "sourceIPAddress": "10.0.0.7",
        "eventSource": "bedrock.amazonaws.com", "eventName": name, "recipientAccountId": "123456789012",
        "userIdentity": {"type": "AssumedRole", "principalId": "AROAX:mara@corp.example", "arn": "arn:aws:sts::123456789012:assumed-role/dev/mara@corp.example"},
        "tlsDetails": {"clientProvidedHostHeader": host},
    } | more  # fmt: skip


BEDROCK = "bedrock-runtime.us-east-1.amazonaws.com"
AZURE = {"time": "2026-01-05T10:00:00.1234567Z", "category": "RequestResponse", "callerIpAddress": "10.0.0.***", "resultSignature": "200",
         "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/AI/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/CONTOSO-EU"}  # fmt: skip
ASKED = {
    "apiName": "Azure OpenAI API version 2024-10-21",
    "requestLength": 52000,
    "responseLength": 900,
    "objectId": "",
}
SIGN_IN = {
    "createdDateTime": "2026-01-05T10:00:00Z",
    "ipAddress": "10.0.0.7",
    "appId": "00000000-0000-0000-0000-000000000001",
}


def google(service: str, method: str, **more: object) -> dict[str, Any]:
    """An entry of Google's audit log."""
    return {
        "timestamp": "2026-01-05T10:00:00.123456789Z", "logName": "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access",
        "resource": {"labels": {"location": "us-central1"}},
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": service, "methodName": method,
            "authenticationInfo": {"principalEmail": "mara@corp.example"}, "requestMetadata": {"callerIp": "10.0.0.7"},
        } | more,
    }  # fmt: skip


def activity(application: str, events: object) -> dict[str, Any]:
    """An activity of Google Workspace."""
    return {"kind": "admin#reports#activity", "id": {"time": "2026-01-05T10:00:00.442Z", "applicationName": application},
            "actor": {"email": "mara@corp.example"}, "ipAddress": "10.0.0.7", "events": events}  # fmt: skip


def token(name: str, app: str) -> dict[str, Any]:
    """An event of the token audit."""
    return {"name": name, "parameters": [{"name": "client_id", "value": "1"}, {"name": "app_name", "value": app},
                                         {"name": "scope", "multiValue": ["ChatGPT"]}]}  # fmt: skip


def okta(kind: str, app: str, **more: object) -> dict[str, Any]:
    """An event of Okta's System Log."""
    return {
        "uuid": "1", "published": "2026-01-05T10:00:00.000Z", "eventType": kind, "outcome": {"result": "SUCCESS"},
        "actor": {"type": "User", "alternateId": "mara@corp.example", "displayName": "Mara"}, "client": {"ipAddress": "10.0.0.7"},
        "target": [{"type": "AppInstance", "displayName": app, "alternateId": "x"}],
    } | more  # fmt: skip


def github(action: str, **more: object) -> dict[str, Any]:
    """An event of GitHub's audit log."""
    return {
        "@timestamp": 1767607200000,
        "action": action,
        "actor": "admin",
        "actor_ip": "10.0.0.7",
        "org": "corp",
    } | more


def slack(action: str, app: str) -> dict[str, Any]:
    """An event of Slack's audit log."""
    return {"id": "1", "date_create": 1767607200, "action": action, "actor": {"type": "user", "user": {"email": "mara@corp.example"}},
            "entity": {"type": "app", "app": {"id": "A1", "name": app}}, "context": {"location": {"domain": "corp"}, "ip_address": "10.0.0.7"}}  # fmt: skip


def m365(operation: str, **more: object) -> dict[str, Any]:
    """A record of the unified audit log."""
    return {
        "CreationTime": "2026-01-05T10:00:00",
        "Id": "1",
        "Operation": operation,
        "Workload": "Copilot",
        "UserId": "mara@corp.example",
    } | more


RECORDS |= {
    "aws-cloudtrail": [
        trail("InvokeModelWithResponseStream", BEDROCK),
        trail("Converse", "claude.ai", userIdentity={"type": "IAMUser", "userName": "jonas"}),
        trail("InvokeModel", BEDROCK, errorCode="AccessDenied"),
        trail("ListFoundationModels", BEDROCK),
        trail("InvokeEndpoint", "x", eventSource="sagemaker.amazonaws.com"),
        trail("GetObject", "claude.ai", eventSource="s3.amazonaws.com", requestParameters={"key": BEDROCK}),
    ],
    "azure-openai": [
        AZURE | {"operationName": "ChatCompletions_Create", "properties": json.dumps(ASKED)},
        AZURE | {"operationName": "Create_Thread", "properties": ASKED | {"objectId": "4a1b0000-0000-0000-0000-000000000001"}},
        AZURE | {"operationName": "ListKey", "category": "Audit", "properties": {}},
        AZURE | {"operationName": "ChatCompletions_Create", "resultSignature": "401", "properties": ASKED},
        AZURE | {"operationName": "Vaults_Get", "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/AI/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/CONTOSO-EU"},
    ],
    "vertex-audit": [
        google("aiplatform.googleapis.com", "google.cloud.aiplatform.v1.PredictionService.GenerateContent"),
        google("aiplatform.googleapis.com", "google.cloud.aiplatform.v1.PredictionService.RawPredict", status={"code": 7}),
        google("aiplatform.googleapis.com", "google.cloud.aiplatform.v1.JobService.ListBatchPredictionJobs"),
        google("storage.googleapis.com", "storage.objects.get", resourceName="projects/_/buckets/aiplatform.googleapis.com"),
    ],
    "entra": [
        SIGN_IN | {"userPrincipalName": "mara@corp.example", "appDisplayName": "ChatGPT", "status": {"errorCode": 0}},
        {"time": "2026-01-05T10:00:00Z", "category": "SignInLogs", "resourceId": "/tenants/1/providers/Microsoft.aadiam", "operationName": "Sign-in activity",
         "resultType": "53003", "properties": SIGN_IN | {"userPrincipalName": "jonas@corp.example", "appDisplayName": "Otter.ai", "status": {"errorCode": 53003}}},
        {"id": "1", "activityDateTime": "2026-01-05T10:00:00Z", "activityDisplayName": "Consent to application", "category": "ApplicationManagement", "result": "success",
         "initiatedBy": {"user": {"userPrincipalName": "lea@corp.example", "ipAddress": "10.0.0.9"}},
         "targetResources": [{"type": "ServicePrincipal", "displayName": "Perplexity"}]},
        SIGN_IN | {"userPrincipalName": "lea@corp.example", "appDisplayName": "Office 365 Exchange Online", "userDisplayName": "ChatGPT", "status": {"errorCode": 0}},
        {"time": "2026-01-05T10:00:00Z", "category": "AuditLogs", "operationName": "Update device", "resourceId": "/tenants/1/providers/Microsoft.aadiam",
         "properties": {"activityDisplayName": "Update device", "initiatedBy": {"app": {"displayName": "ChatGPT"}}, "targetResources": [{"displayName": "ChatGPT"}]}},
    ],
    "google-workspace": [
        activity("token", [token("authorize", "ChatGPT")]),
        activity("token", token("authorize", "Otter.ai")),
        activity("token", [token("revoke", "ChatGPT"), token("authorize", "Slack")]),
        activity("saml", [{"name": "login_failure", "parameters": [{"name": "application_name", "value": "ChatGPT"}]}]),
        activity("gemini_in_workspace_apps", [{"name": "feature_utilization", "parameters": [{"name": "app_name", "value": "docs"}]}]),
    ],
    "okta": [
        okta("user.authentication.sso", "ChatGPT"),
        okta("user.authentication.sso", "Otter.ai", outcome={"result": "FAILURE"}),
        okta("application.user_membership.add", "ChatGPT", target=[{"type": "AppInstance", "displayName": "ChatGPT"}, {"type": "User", "alternateId": "jonas@corp.example"}]),
        okta("app.oauth2.as.consent.revoke.user", "ChatGPT"),
        okta("user.authentication.sso", "Salesforce", debugContext={"debugData": {"app": "ChatGPT"}}),
    ],
    "github-audit": [
        github("copilot.cfb_seat_added", user="mara"),
        github("copilot.cfb_seat_cancelled", user="mara"),
        github("oauth_authorization.create", actor="jonas", oauth_application_name="ChatGPT"),
        github("integration_installation.create", integration="perplexity"),
        github("git.clone", repo="corp/chatgpt", user_agent="ChatGPT"),
    ],
    "slack-audit": [slack("app_installed", "ChatGPT"), slack("app_restricted", "Otter.ai"), slack("app_installed", "Jira"), slack("user_login", "ChatGPT")],
    "m365-audit": [
        m365("CopilotInteraction", CopilotEventData={"AppHost": "Teams"}),
        {"RecordType": 261, "AuditData": json.dumps(m365("AIAppInteraction", AppIdentity="ChatGPT", UserId="jonas@corp.example"))},
        m365("Consent to application.", Workload="AzureActiveDirectory", Target=[{"ID": "ChatGPT", "Type": 1}, {"ID": "x", "Type": 2}]),
        m365("FileAccessed", Workload="SharePoint", SourceFileName="ChatGPT.docx"),
    ],
}  # fmt: skip

LINES["w3c"] = """
#Software: SGOS 7.3.1.1
#Version: 1.0
#Fields: date time time-taken c-ip cs-username cs-auth-group x-exception-id sc-filter-result cs-categories cs(Referer) sc-status s-action cs-method rs(Content-Type) cs-uri-scheme cs-host cs-uri-port cs-uri-path cs-uri-query cs-uri-extension cs(User-Agent) s-ip sc-bytes cs-bytes x-virus-id
2026-01-05 10:00:00 11 10.0.0.7 mara - - OBSERVED "Technology/Internet;AI" https://www.bbc.co.uk/ 200 TCP_NC_MISS POST application/json https api.openai.com 443 /v1/chat/completions - - "Mozilla/5.0 (X11; Linux)" 10.0.0.1 900 52000 -
2026-01-05 10:00:01 11 10.0.0.8 - - policy_denied DENIED "AI" - 403 TCP_DENIED CONNECT - tcp claude.ai 443 / - - - 10.0.0.1 0 200 -
2026-01-05 10:00:02 11 10.0.0.8 - - - OBSERVED "News" https://chatgpt.com/ 200 TCP_HIT GET text/html https www.bbc.co.uk 443 /claude.ai ?u=https://claude.ai/ - "fetch claude.ai" 10.0.0.1 1 1 -
#Fields: c-ip\tcs-username\tdate\ttime\ts-computername\tcs-referred\tr-host\tr-port\tcs-bytes\tsc-bytes\ts-operation\tcs-uri\taction
10.0.0.9\tCORP\\lea\t2026-01-05\t10:00:03\ttmg1\t-\tchatgpt.com\t443\t52000\t900\tCONNECT\tchatgpt.com:443\tAllowed
""".replace("\\t", "\t").replace("\\\\", "\\")
LINES["skyhigh"] = """
#time_stamp "auth_user" src_ip status_code "req_line" "categories" "rep_level" "media_type" bytes_to_client bytes_from_client "user_agent" "virus_name" "block_res" "application_name"
[05/Jan/2026:11:00:00 +0100] "mara" 10.0.0.7 200 "CONNECT chatgpt.com:443 HTTP/1.1" "AI" "Minimal Risk" "" 900 52000 "Mozilla/5.0 (X11; Linux)" "" "0" "ChatGPT"
[05/Jan/2026:10:00:01 +0000] "" 10.0.0.8 403 "POST https://claude.ai/api HTTP/1.1" "AI" "Minimal Risk" "" 900 100 "Mozilla/5.0" "" "10" ""
[05/Jan/2026:10:00:02 +0000] "jonas GET claude.ai" 10.0.0.9 200 "GET https://www.bbc.co.uk/?u=https://claude.ai/ HTTP/1.1" "News" "Minimal Risk" "" 900 100 "GET https://claude.ai/" "" "0" ""
"""
